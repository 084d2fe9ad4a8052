//! A PostgreSQL table as the destination: a row for each record, by its key.

mod connection;
mod failure;
mod statements;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use deadpool_postgres::{Client, Object, Pool};
use pomost_http::{Failure, FailureClass};
use pomost_models::{Operation, Record};
use pomost_project::flow::TableDestination;
use serde_json::value::RawValue;
use tokio::time::{error::Elapsed, timeout};
use tokio_postgres::types::{Json, ToSql};
use tracing::{Instrument, Span, field};

use failure::Fault;
use statements::Statements;

use crate::{
    act::Failed,
    many::{Kind, Many, Row, Written},
};

/// Writes the rows of a table, those of a call in one statement. A row's id is its key, and writing
/// one again changes nothing, so nothing is ever in doubt for long.
pub(crate) struct Writer {
    table: Arc<TableDestination>,
    pool: Pool,
    statements: Statements,
    /// The table as errors name it.
    place: String,
}

impl Writer {
    /// A writer to a table. It connects when there is something to write, so that a database that is
    /// away is waited for.
    pub(crate) fn new(table: Arc<TableDestination>) -> Result<Writer, pomost_postgres::Error> {
        let (pool, database) = connection::pool(&table)?;
        let statements = Statements::of(&table);
        Ok(Writer {
            place: format!("the table {} at {database}", table.name),
            pool,
            statements,
            table,
        })
    }
}

#[async_trait]
impl Many for Writer {
    fn takes(&self, _: Kind) -> Option<usize> {
        Some(usize::MAX)
    }

    /// A row that is at fault is found by halving; whatever else is wrong is so for all of them.
    async fn write(&self, kind: Kind, rows: &[Row<'_>]) -> Result<Vec<Written>, Failure> {
        let records = rows.iter().map(|row| row.act.record);
        let fitting: Vec<&Record> = records.filter(|record| has_columns(record)).collect();
        let written = match fitting.is_empty() {
            true => Ok(()),
            false => self.write_all(kind, &fitting).await,
        };
        match written {
            Err(failed) if failed.failure.class == FailureClass::Invalid => Err(failed.failure),
            written => Ok(rows
                .iter()
                .map(|row| self.written(row.act.record, &written))
                .collect()),
        }
    }
}

/// Whether a record has fields, which columns take. What is deleted needs none.
fn has_columns(record: &Record) -> bool {
    record.op == Operation::Delete || record.data.get().starts_with('{')
}

impl Writer {
    fn written(&self, record: &Record, all: &Result<(), Failed>) -> Written {
        let no_object = || {
            format!(
                "{}: the record is no object, so it has no fields for the columns",
                self.place
            )
        };
        match all {
            _ if !has_columns(record) => Written::Failed(Failed::without_effect(Failure::new(
                FailureClass::Invalid,
                no_object(),
            ))),
            Ok(()) => Written::Done(None),
            Err(Failed { failure, effect }) => Written::Failed(Failed {
                failure: failure.clone(),
                effect: *effect,
            }),
        }
    }

    async fn write_all(&self, kind: Kind, records: &[&Record]) -> Result<(), Failed> {
        let span = self.span(kind, records.len());
        let written = self
            .try_to_write_all(kind, records)
            .instrument(span.clone())
            .await;
        if let Err(failed) = &written {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", failed.failure.class.as_str());
        }
        written
    }

    /// Names and fields by the OpenTelemetry conventions for databases.
    fn span(&self, kind: Kind, records: usize) -> Span {
        let operation = if kind == Kind::Delete {
            "DELETE"
        } else {
            "INSERT"
        };
        tracing::info_span!(
            "database.statement",
            otel.name = %format_args!("{operation} {}", self.table.name),
            otel.kind = "client",
            otel.status_code = field::Empty,
            db.system.name = "postgresql",
            db.collection.name = %self.table.name,
            db.operation.name = operation,
            db.operation.batch.size = records,
            error.r#type = field::Empty,
        )
    }

    async fn try_to_write_all(&self, kind: Kind, records: &[&Record]) -> Result<(), Failed> {
        let keys: Vec<&str> = records.iter().map(|record| record.key.as_str()).collect();
        let written = match kind {
            Kind::Delete => self.execute(&self.statements.delete, &[&keys]).await,
            Kind::Create | Kind::Update => {
                let data = Json(
                    records
                        .iter()
                        .map(|record| &*record.data)
                        .collect::<Vec<_>>(),
                );
                self.upsert(&[&keys, &data]).await
            }
        };
        match written {
            // What is not there has no rows to delete.
            Err(fault) if kind == Kind::Delete && self.table.create && fault.is_missing_table() => {
                Ok(())
            }
            Err(fault) => Err(self.failed(fault, records).await),
            Ok(()) => Ok(()),
        }
    }

    /// The table is made when it is missed, not before: making it needs a right that whoever prepared
    /// it may not have given us.
    async fn upsert(&self, parameters: &[&(dyn ToSql + Sync)]) -> Result<(), Fault> {
        match self.execute(&self.statements.upsert, parameters).await {
            Err(fault) if self.table.create && fault.is_missing_table() => {
                self.create().await?;
                self.execute(&self.statements.upsert, parameters).await
            }
            written => written,
        }
    }

    async fn create(&self) -> Result<(), Fault> {
        let client = self.pool.get().await?;
        let created = timeout(
            self.patience(),
            client.batch_execute(&self.statements.create),
        )
        .await;
        in_time(client, created)
    }

    async fn execute(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<(), Fault> {
        let client = self.pool.get().await?;
        let executing = async {
            let statement = client.prepare_cached(sql).await?;
            client.execute(&statement, parameters).await
        };
        let executed = timeout(self.patience(), executing).await;
        in_time(client, executed)
    }

    /// The database gives up first where it can, and then says that it did nothing.
    fn patience(&self) -> Duration {
        self.table.timeout + Duration::from_secs(1)
    }

    async fn failed(&self, fault: Fault, records: &[&Record]) -> Failed {
        let column = match records {
            [record] if fault.is_of_a_value() => self.column_at_fault(&record.data).await,
            _ => None,
        };
        fault.failed(&self.place, column)
    }

    /// The first column that cannot hold the record's field. The database does not say.
    async fn column_at_fault(&self, data: &RawValue) -> Option<&str> {
        let data = Json([data]);
        for (column, sql) in self.table.columns.iter().zip(&self.statements.probes) {
            match self.execute(sql, &[&data]).await {
                Err(fault) if fault.is_of_a_value() => return Some(&column.name),
                _ => {}
            }
        }
        None
    }
}

/// A connection that gave no answer in time may be dead, or still at it: nobody uses it again.
fn in_time<T>(
    client: Client,
    outcome: Result<Result<T, tokio_postgres::Error>, Elapsed>,
) -> Result<(), Fault> {
    match outcome {
        Ok(done) => done.map(drop).map_err(Fault::Statement),
        Err(_) => {
            drop(Object::take(client));
            Err(Fault::Silence)
        }
    }
}
