//! A PostgreSQL table as the destination: a row for each record, by its key.

mod connection;
mod execution;
mod failure;
mod statements;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use deadpool_postgres::Pool;
use pomost_http::{CircuitBreaker, Failure};
use pomost_models::{Operation, Record};
use pomost_project::flow::TableDestination;

use super::{DestinationWriter, PlannedWrite, RecordAction, WriteItem, WriteReceipt, WriteResult};
use statements::TableStatements;

/// Writes the rows of a table, those of one write in one statement. A row's id is its key, and
/// writing a row again changes nothing, so nothing stays in doubt.
pub(super) struct TableWriter {
    table: Arc<TableDestination>,
    pool: Pool,
    statements: TableStatements,
    breaker: CircuitBreaker,
    /// The table as errors name it.
    place: String,
}

impl TableWriter {
    /// Makes a writer that connects when there is something to write, so that a database that is
    /// down is waited for.
    pub(super) fn new(
        table: Arc<TableDestination>,
        breaker: CircuitBreaker,
    ) -> Result<TableWriter, pomost_postgres::Error> {
        let (pool, database) = connection::pool(&table)?;
        let statements = TableStatements::of(&table);
        Ok(TableWriter {
            place: format!("the table {} at {database}", table.name),
            pool,
            statements,
            breaker,
            table,
        })
    }
}

impl DestinationWriter for TableWriter {
    fn plan<'a>(
        &'a self,
        action: RecordAction,
        items: &'a [WriteItem<'a>],
    ) -> Result<Box<dyn PlannedWrite + 'a>, Failure> {
        let records = items.iter().map(|item| &item.claimed.record);
        Ok(Box::new(PlannedStatement {
            writer: self,
            action,
            items,
            rows: records.filter(|record| has_columns(record)).collect(),
        }))
    }

    fn bulk_size(&self, _: RecordAction) -> Option<usize> {
        Some(usize::MAX)
    }

    fn concurrency(&self) -> usize {
        self.table.concurrency
    }

    fn breaker(&self) -> Option<&CircuitBreaker> {
        Some(&self.breaker)
    }
}

/// True if a record has fields, which columns take. A deletion needs none.
fn has_columns(record: &Record) -> bool {
    record.op == Operation::Delete || record.data.get().starts_with('{')
}

/// A statement that was planned.
struct PlannedStatement<'a> {
    writer: &'a TableWriter,
    action: RecordAction,
    items: &'a [WriteItem<'a>],
    /// The records of the items that have fields for columns.
    rows: Vec<&'a Record>,
}

impl fmt::Display for PlannedStatement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statements = &self.writer.statements;
        match self.action {
            RecordAction::Delete => writeln!(f, "{}", statements.delete)?,
            _ => writeln!(f, "{}", statements.upsert)?,
        }
        (self.rows.iter())
            .try_for_each(|record| writeln!(f, "{}\t{}", record.key, record.data.get()))
    }
}

#[async_trait]
impl PlannedWrite for PlannedStatement<'_> {
    /// A row that is at fault is found by bisecting; every other failure is of all rows.
    async fn perform(self: Box<Self>) -> Result<Vec<WriteResult>, Failure> {
        let written = match self.rows.is_empty() {
            true => Ok(()),
            false => self.writer.write_guarded(self.action, &self.rows).await?,
        };
        let result = |item: &WriteItem<'_>| match &written {
            _ if !has_columns(&item.claimed.record) => Err(self.writer.no_fields()),
            Ok(()) => Ok(WriteReceipt::default()),
            Err(failure) => Err(failure.clone()),
        };
        Ok(self.items.iter().map(result).collect())
    }
}
