//! A table as the destination of a flow, compiled.

use std::{fmt, time::Duration};

pub use pomost_models::table::ColumnType;
use secrecy::SecretString;

/// A PostgreSQL table that has a row for each record.
#[derive(Debug)]
pub struct TableDestination {
    /// The database's URL.
    pub database: SecretString,
    /// The certificates that the database's own has to come from, as PEM.
    pub ca: Option<String>,
    /// The table's name.
    pub name: TableName,
    /// The column of the records' keys.
    pub key: String,
    /// Whether the table is made where it is not there.
    pub create: bool,
    /// The other columns; at least one.
    pub columns: Vec<TableColumn>,
    /// Statements at a time, per process.
    pub concurrency: usize,
    /// How long a statement may take, and how long it may take to connect.
    pub timeout: Duration,
}

/// A column, which takes the field of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub column_type: ColumnType,
}

/// The name of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    /// Its schema; left out, where the database looks first.
    pub schema: Option<String>,
    /// Its name in there.
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
