//! The SQL statements that write a table.

use pomost_project::table::{TableColumn, TableDestination, TableName};

/// The SQL statements that write a table. Every name in them is quoted, every value is a parameter.
pub(super) struct TableStatements {
    /// Inserts the rows of these keys (`$1`) and records (`$2`, a JSON array), or updates the rows
    /// that are there.
    pub(super) upsert: String,
    /// Deletes the rows of these keys (`$1`).
    pub(super) delete: String,
    /// Creates the table, once, even if several processes miss it at the same time.
    pub(super) create: String,
    /// Reads the field of one column from records (`$1`), which fails where the field does not fit;
    /// one statement for each column.
    pub(super) probes: Vec<String>,
}

impl TableStatements {
    pub(super) fn of(table: &TableDestination) -> TableStatements {
        TableStatements {
            upsert: upsert(table),
            delete: format!(
                "DELETE FROM {} WHERE {} = ANY($1::text[])",
                name(&table.name),
                quoted(&table.key)
            ),
            create: create(table),
            probes: table.columns.iter().map(probe).collect(),
        }
    }
}

/// The values of columns are read from jsonb, whose numbers keep every digit.
fn upsert(table: &TableDestination) -> String {
    let key = quoted(&table.key);
    let names: Vec<String> = table
        .columns
        .iter()
        .map(|column| quoted(&column.name))
        .collect();
    let sets: Vec<String> = names
        .iter()
        .map(|name| format!("{name} = EXCLUDED.{name}"))
        .collect();
    format!(
        "INSERT INTO {} ({key}, {}) \
         SELECT * FROM ROWS FROM (unnest($1::text[]), jsonb_to_recordset($2::jsonb) AS ({})) AS records \
         ON CONFLICT ({key}) DO UPDATE SET {}",
        name(&table.name),
        names.join(", "),
        definitions(&table.columns),
        sets.join(", "),
    )
}

/// A process that waited for the lock finds the table there.
fn create(table: &TableDestination) -> String {
    format!(
        "SELECT pg_advisory_xact_lock(hashtextextended('pomost: tables', 0)); \
         CREATE TABLE IF NOT EXISTS {} ({} text PRIMARY KEY, {})",
        name(&table.name),
        quoted(&table.key),
        definitions(&table.columns),
    )
}

fn probe(column: &TableColumn) -> String {
    let definition = definitions(std::slice::from_ref(column));
    format!("SELECT * FROM jsonb_to_recordset($1::jsonb) AS record({definition})")
}

fn definitions(columns: &[TableColumn]) -> String {
    let definition =
        |column: &TableColumn| format!("{} {}", quoted(&column.name), column.column_type.as_sql());
    columns
        .iter()
        .map(definition)
        .collect::<Vec<_>>()
        .join(", ")
}

fn name(name: &TableName) -> String {
    let table = quoted(&name.table);
    name.schema.as_ref().map_or(table.clone(), |schema| {
        format!("{}.{table}", quoted(schema))
    })
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pomost_project::table::ColumnType;

    use super::*;

    #[test]
    fn every_name_is_quoted() {
        let column = |name: &str, kind| TableColumn {
            name: name.into(),
            column_type: kind,
        };
        let table = TableDestination {
            database: "postgres://localhost/x".into(),
            ca: None,
            name: TableName {
                schema: Some("a b".into()),
                table: "x\"; DROP TABLE y; --".into(),
            },
            key: "Order".into(),
            create: true,
            columns: vec![
                column("select", ColumnType::Double),
                column("é", ColumnType::Jsonb),
            ],
            concurrency: 1,
            timeout: Duration::from_secs(1),
        };
        let TableStatements {
            upsert,
            delete,
            create,
            probes,
        } = TableStatements::of(&table);
        let name = r#""a b"."x""; DROP TABLE y; --""#;
        let definitions = r#""select" double precision, "é" jsonb"#;
        assert!(upsert.starts_with(&format!(
            r#"INSERT INTO {name} ("Order", "select", "é") SELECT"#
        )));
        assert!(upsert.contains(&format!("AS ({definitions})")));
        assert!(upsert.ends_with(r#"SET "select" = EXCLUDED."select", "é" = EXCLUDED."é""#));
        assert_eq!(
            delete,
            format!(r#"DELETE FROM {name} WHERE "Order" = ANY($1::text[])"#)
        );
        assert!(create.ends_with(&format!(
            r#"{name} ("Order" text PRIMARY KEY, {definitions})"#
        )));
        assert!(probes[0].ends_with(r#"AS record("select" double precision)"#));
    }
}
