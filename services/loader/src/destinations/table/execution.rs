//! Executes the statements that write a table.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    mem::discriminant,
    time::Duration,
};

use deadpool_postgres::{Client, Object};
use pomost_http::{Failure, FailureClass};
use pomost_models::Record;
use serde_json::value::RawValue;
use tokio::time::{error::Elapsed, timeout};
use tokio_postgres::types::{Json, ToSql};
use tracing::{Instrument, Span, field};

use super::{TableWriter, failure::StatementFailure};
use crate::destinations::{RecordAction, without_effect};

/// The time that a statement is waited for beyond its own time-out: the database gives up first
/// where it can, and then says that it did nothing.
const TIMEOUT_MARGIN: Duration = Duration::from_secs(1);

impl TableWriter {
    /// Writes rows if the database is not known to be down. The outer failure is of the rows: then
    /// the database answered. The inner one is the database's.
    pub(super) async fn write_guarded(
        &self,
        action: RecordAction,
        rows: &[&Record],
    ) -> Result<Result<(), Failure>, Failure> {
        let place = || self.place.clone();
        let write = async {
            match self.write_traced(action, rows).await {
                Err(refusal) if refusal.class == FailureClass::Invalid => Ok(Err(refusal)),
                Err(failure) => Err(failure),
                Ok(()) => Ok(Ok(())),
            }
        };
        // To the breaker a refusal of rows is a success: the database answered.
        let fingerprint = || Some(fingerprint(action, rows));
        match self.breaker.admit(place, fingerprint, write).await {
            Ok(Err(refusal)) => Err(refusal),
            Ok(Ok(())) => Ok(Ok(())),
            Err(failure) => Ok(Err(failure)),
        }
    }

    pub(super) fn no_fields(&self) -> Failure {
        let message = format!(
            "{}: the record is no object, so it has no fields for the columns",
            self.place
        );
        without_effect(Failure::new(FailureClass::Invalid, message))
    }

    async fn write_traced(&self, action: RecordAction, rows: &[&Record]) -> Result<(), Failure> {
        let span = self.span(action, rows.len());
        let written = self.write(action, rows).instrument(span.clone()).await;
        if let Err(failure) = &written {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", failure.class.as_str());
        }
        written
    }

    /// Names and fields are those of the OpenTelemetry conventions for databases.
    fn span(&self, action: RecordAction, rows: usize) -> Span {
        let operation = match action {
            RecordAction::Delete => "DELETE",
            _ => "INSERT",
        };
        tracing::info_span!(
            "database.statement",
            otel.name = %format_args!("{operation} {}", self.table.name),
            otel.kind = "client",
            otel.status_code = field::Empty,
            db.system.name = "postgresql",
            db.collection.name = %self.table.name,
            db.operation.name = operation,
            db.operation.batch.size = rows,
            error.r#type = field::Empty,
        )
    }

    async fn write(&self, action: RecordAction, rows: &[&Record]) -> Result<(), Failure> {
        let keys: Vec<&str> = rows.iter().map(|record| record.key.as_str()).collect();
        let written = match action {
            RecordAction::Delete => self.execute(&self.statements.delete, &[&keys]).await,
            _ => {
                let data: Vec<_> = rows.iter().map(|record| &*record.data).collect();
                self.upsert(&[&keys, &Json(data)]).await
            }
        };
        match written {
            // A table that is not there has no rows to delete.
            Err(failure)
                if action == RecordAction::Delete
                    && self.table.create
                    && failure.is_missing_table() =>
            {
                Ok(())
            }
            Err(failure) => Err(self.failure(failure, rows).await),
            Ok(()) => Ok(()),
        }
    }

    /// The table is created when it is found to be missing, not before: creating it needs a right
    /// that a person who prepared the table may not have granted.
    async fn upsert(&self, parameters: &[&(dyn ToSql + Sync)]) -> Result<(), StatementFailure> {
        match self.execute(&self.statements.upsert, parameters).await {
            Err(failure) if self.table.create && failure.is_missing_table() => {
                self.create_table().await?;
                self.execute(&self.statements.upsert, parameters).await
            }
            written => written,
        }
    }

    async fn create_table(&self) -> Result<(), StatementFailure> {
        let client = self.pool.get().await?;
        let creating = client.batch_execute(&self.statements.create);
        let created = timeout(self.statement_timeout(), creating).await;
        in_time(client, created)
    }

    async fn execute(
        &self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<(), StatementFailure> {
        let client = self.pool.get().await?;
        let executing = async {
            let statement = client.prepare_cached(sql).await?;
            client.execute(&statement, parameters).await
        };
        let executed = timeout(self.statement_timeout(), executing).await;
        in_time(client, executed)
    }

    fn statement_timeout(&self) -> Duration {
        self.table.timeout + TIMEOUT_MARGIN
    }

    async fn failure(&self, failure: StatementFailure, rows: &[&Record]) -> Failure {
        let column = match rows {
            [record] if failure.is_of_a_value() => self.column_at_fault(&record.data).await,
            _ => None,
        };
        failure.into_failure(&self.place, column)
    }

    /// Finds the first column that cannot hold the record's field. The database does not name it.
    async fn column_at_fault(&self, data: &RawValue) -> Option<&str> {
        let data = Json([data]);
        for (column, sql) in self.table.columns.iter().zip(&self.statements.probes) {
            match self.execute(sql, &[&data]).await {
                Err(failure) if failure.is_of_a_value() => return Some(&column.name),
                _ => {}
            }
        }
        None
    }
}

/// Takes a connection that did not answer in time out of the pool: it may be dead, or still at
/// work.
fn in_time<T>(
    client: Client,
    outcome: Result<Result<T, tokio_postgres::Error>, Elapsed>,
) -> Result<(), StatementFailure> {
    match outcome {
        Ok(done) => done.map(drop).map_err(StatementFailure::Statement),
        Err(_) => {
            drop(Object::take(client));
            Err(StatementFailure::TimedOut)
        }
    }
}

/// Tells statements apart: those that write the same rows in the same way have the same
/// fingerprint.
fn fingerprint(action: RecordAction, rows: &[&Record]) -> u64 {
    let mut hasher = DefaultHasher::new();
    discriminant(&action).hash(&mut hasher);
    for row in rows {
        (&row.key, row.data.get()).hash(&mut hasher);
    }
    hasher.finish()
}
