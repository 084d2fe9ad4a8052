//! A table as the destination of a flow.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Map, Value};

use crate::{Period, secret::SecretReference};

/// A PostgreSQL table with a row for each record.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableSection {
    /// The URL of the database: `${NAME}` or `${file:PATH}` with
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. Connections to other machines use TLS, unless
    /// the URL ends in `?sslmode=disable`. Credentials and data are then readable on the network.
    pub database: SecretReference,
    /// The certificates that the database's certificate has to be signed by, as PEM, instead of
    /// those that the platform trusts: `${file:PATH}` or a path in the project.
    #[serde(default)]
    pub ca: Option<String>,
    /// The table's name, `sales`, or with its schema, `reporting.sales`, in the upper and lower
    /// case of the database.
    pub name: String,
    /// The column with the records' keys, of type `text`. It is the primary key, or unique.
    #[serde(default = "default_key")]
    pub key: String,
    /// Creates the table where it does not exist. The schema has to exist.
    #[serde(default)]
    pub create: bool,
    /// The columns and their types: `{ total: numeric, sold_at: timestamptz }`. Each column takes
    /// the field of the same name in the mapped record, or null where the record has none. Other
    /// fields are not written.
    pub columns: ColumnsSection,
    /// The highest number of connections, and so of statements at a time, per process.
    #[serde(default = "default_concurrency")]
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: u32,
    /// The time that a statement may take, and the time that connecting may take. At most 5m.
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

/// The columns of a table, in the order of the file.
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
    /// Text. Lists and objects are written as JSON.
    Text,
    /// A whole number of four bytes.
    Integer,
    /// A whole number of eight bytes.
    Bigint,
    /// A decimal number with all its digits.
    Numeric,
    /// A number with about 15 digits: `double precision`.
    Double,
    /// True or false.
    Boolean,
    /// A day, such as 2026-01-31.
    Date,
    /// A date and a time of day without a zone.
    Timestamp,
    /// A moment, such as 2026-01-31T12:00:00Z. A time without a zone is in UTC.
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
