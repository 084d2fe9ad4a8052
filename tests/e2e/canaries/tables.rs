//! The columns of all tables, and the data that they may hold.

use std::path::{Path, PathBuf};

use pomost_tests::database;
use rusqlite::Connection;
use serde_json::Value;

use super::search::MarkSearch;

/// The columns that may hold data of records, beside those of dead letters: keys, which may be
/// personal, ids of destinations, messages in queues, and parked messages.
const DATA: [(&str, &str); 7] = [
    ("ledger", "key"),
    ("ledger", "id"),
    ("dead_letters", "key"),
    ("changes", "key"),
    ("parked", "key"),
    ("parked", "message"),
    ("bodies", "body"),
];

/// The members of a dead letter that are its record.
const RECORD: [&str; 2] = ["record", "message"];

/// The place of the tables.
pub(crate) enum StoreTables {
    /// The files in a directory.
    Embedded(PathBuf),
    /// A schema of the database.
    Servers(String),
}

/// A table, a column of it, and a value in that column.
type TableCell = (String, String, String);

impl StoreTables {
    /// Searches every column that may hold no data of records.
    pub(crate) async fn search(&self, search: &mut MarkSearch) {
        let cells = match self {
            StoreTables::Embedded(directory) => {
                let files = ["state.db", "queues.db"].map(|file| directory.join(file));
                files.iter().flat_map(|file| of_file(file)).collect()
            }
            StoreTables::Servers(schema) => of_schema(schema).await,
        };
        assert!(
            cells.iter().any(|(table, column, _)| (table.as_str(), column.as_str()) == ("grants", "sealed"))
        );
        for (table, column, text) in cells {
            let place = format!("the column {table}.{column}");
            match (table.as_str(), column.as_str()) {
                ("dead_letters", "letter") => search.look_at(&place, &without_record(&text)),
                place if DATA.contains(&place) => {}
                _ => search.look_at(&place, &text),
            }
        }
    }
}

fn without_record(letter: &str) -> String {
    let mut letter: Value = serde_json::from_str(letter).unwrap();
    RECORD
        .iter()
        .for_each(|member| drop(letter.as_object_mut().unwrap().remove(*member)));
    letter.to_string()
}

fn of_file(file: &Path) -> Vec<TableCell> {
    let connection = Connection::open(file).unwrap();
    let tables = texts(
        &connection,
        "SELECT name FROM sqlite_master WHERE type = 'table'",
    );
    let cells = tables.iter().flat_map(|table| {
        let columns = texts(
            &connection,
            &format!("SELECT name FROM pragma_table_info('{table}')"),
        );
        let cells = |column: String| {
            let query = format!("SELECT coalesce(CAST(\"{column}\" AS text), '') FROM \"{table}\"");
            let cells = texts(&connection, &query).into_iter();
            cells
                .map(|text| (table.clone(), column.clone(), text))
                .collect::<Vec<_>>()
        };
        columns.into_iter().flat_map(cells).collect::<Vec<_>>()
    });
    cells.collect()
}

fn texts(connection: &Connection, query: &str) -> Vec<String> {
    let mut statement = connection.prepare(query).unwrap();
    let texts = statement.query_map([], |row| {
        Ok(String::from_utf8_lossy(row.get_ref(0)?.as_bytes().unwrap_or_default()).into_owned())
    });
    texts.unwrap().map(Result::unwrap).collect()
}

async fn of_schema(schema: &str) -> Vec<TableCell> {
    let client = database().await;
    let columns =
        "SELECT table_name::text, column_name::text, udt_name::text FROM information_schema.columns
        WHERE table_schema = $1";
    let mut cells = Vec::new();
    for row in client.query(columns, &[&schema]).await.unwrap() {
        let (table, column, kind): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        let text = match kind.as_str() {
            "bytea" => format!("encode(\"{column}\", 'escape')"),
            _ => format!("\"{column}\"::text"),
        };
        let query = format!("SELECT coalesce({text}, '') FROM \"{schema}\".\"{table}\"");
        let rows = client.query(&query, &[]).await.unwrap();
        cells.extend(
            rows.iter()
                .map(|row| (table.clone(), column.clone(), row.get(0))),
        );
    }
    cells
}
