//! A table as the destination of a flow, compiled.

use std::{fmt, time::Duration};

pub use pomost_models::table::ColumnType;
use secrecy::SecretString;

/// A PostgreSQL table with a row for each record.
#[derive(Debug)]
pub struct TableDestination {
    pub database: SecretString,
    /// The certificates that the database's certificate has to be signed by, as PEM.
    pub ca: Option<String>,
    pub name: TableName,
    /// The column with the records' keys.
    pub key: String,
    /// True where the table is created if it does not exist.
    pub create: bool,
    /// The other columns, at least one.
    pub columns: Vec<TableColumn>,
    /// The highest number of statements at a time, per process.
    pub concurrency: usize,
    /// The time that a statement may take, and the time that connecting may take.
    pub timeout: Duration,
}

/// A column. It takes the field of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumn {
    pub name: String,
    pub column_type: ColumnType,
}

/// The name of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    /// The schema. None for the first one in the database's search path that has the table.
    pub schema: Option<String>,
    pub table: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.table),
            None => f.write_str(&self.table),
        }
    }
}
