//! A table as the destination of a flow.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Map, Value};

use crate::{Period, secret::SecretReference};

/// A PostgreSQL table that has a row for each record.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableSection {
    /// The database's URL, which holds a password: `${NAME}` or `${file:PATH}` of
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. On another machine it is spoken to by TLS, unless
    /// the URL ends in `?sslmode=disable`: credentials and data then cross the network readable.
    pub database: SecretReference,
    /// The certificates that the database's own has to come from, as PEM, instead of those that the
    /// platform trusts: `${file:PATH}` or a path in the project.
    #[serde(default)]
    pub ca: Option<String>,
    /// The table's name, `sales`, or with its schema, `reporting.sales`, in the letters that the
    /// database has it in.
    pub name: String,
    /// The column of type `text` that holds the records' keys. It is the primary key, or unique.
    #[serde(default = "default_key")]
    pub key: String,
    /// Whether the table is made, in a schema that is there, where it is not there.
    #[serde(default)]
    pub create: bool,
    /// The columns and their types: `{ total: numeric, sold_at: timestamptz }`. Each takes the mapped
    /// record's field of its name, null where a record has none; other fields are not written.
    pub columns: ColumnsSection,
    /// Connections, and so statements at a time, per process.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: u32,
    /// How long a statement may take, and how long it may take to connect; at most 5m.
    #[serde(default = "default_timeout")]
    pub timeout: Period,
}

fn default_key() -> String {
    "key".into()
}

fn default_concurrency() -> u32 {
    4
}

fn default_timeout() -> Period {
    Period(Duration::from_secs(30))
}

/// The columns of a table, as they were written.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(inline)]
pub struct ColumnsSection(
    #[schemars(with = "BTreeMap<String, ColumnType>")] pub Vec<(String, ColumnType)>,
);

impl<'de> Deserialize<'de> for ColumnsSection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ColumnsSection, D::Error> {
        let columns = Map::<String, Value>::deserialize(deserializer)?;
        let column = |(name, value)| {
            Ok((
                name,
                ColumnType::deserialize(value).map_err(D::Error::custom)?,
            ))
        };
        columns
            .into_iter()
            .map(column)
            .collect::<Result<_, _>>()
            .map(ColumnsSection)
    }
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// Text; of lists and objects their JSON.
    Text,
    /// A whole number of four bytes.
    Integer,
    /// A whole number of eight bytes.
    Bigint,
    /// A number with all its digits.
    Numeric,
    /// A number of about 15 digits: `double precision`.
    Double,
    /// True or false.
    Boolean,
    /// A day, such as 2026-01-31.
    Date,
    /// A date and time of day without a zone.
    Timestamp,
    /// A moment, such as 2026-01-31T12:00:00Z; in UTC where it names no zone.
    Timestamptz,
    /// Any JSON.
    Jsonb,
    /// A UUID (RFC 9562).
    Uuid,
}

impl ColumnType {
    /// The type's name in PostgreSQL.
    pub fn as_sql(self) -> &'static str {
        match self {
            ColumnType::Text => "text",
            ColumnType::Integer => "integer",
            ColumnType::Bigint => "bigint",
            ColumnType::Numeric => "numeric",
            ColumnType::Double => "double precision",
            ColumnType::Boolean => "boolean",
            ColumnType::Date => "date",
            ColumnType::Timestamp => "timestamp",
            ColumnType::Timestamptz => "timestamptz",
            ColumnType::Jsonb => "jsonb",
            ColumnType::Uuid => "uuid",
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn columns_stay_in_the_order_they_were_written_in() {
        let columns: ColumnsSection = serde_json::from_str(r#"{"z":"uuid","a":"double"}"#).unwrap();
        assert_eq!(
            columns.0,
            [
                ("z".into(), ColumnType::Uuid),
                ("a".into(), ColumnType::Double)
            ]
        );
    }
}
