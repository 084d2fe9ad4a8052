//! Rows of a source that a test changes between runs.

use std::sync::{Arc, Mutex};

use pomost_testkit::{FakeServer, Reply};
use serde_json::Value;

/// Rows of a source that a test changes between runs.
#[derive(Clone, Default)]
pub(crate) struct Rows(Arc<Mutex<Vec<String>>>);

impl Rows {
    pub(crate) fn set<const N: usize>(&self, rows: [Value; N]) {
        self.set_json(rows.map(|row| row.to_string()));
    }

    /// Sets rows whose JSON is sent digit for digit.
    pub(crate) fn set_json<const N: usize>(&self, rows: [String; N]) {
        *self.0.lock().unwrap() = rows.into();
    }

    /// A page with all rows.
    pub(crate) fn reply(&self) -> Reply {
        let rows = self.0.lock().unwrap().join(",");
        Reply::of(200, format!(r#"{{"rows":[{rows}]}}"#))
    }

    /// Starts a source that replies with all rows on one page.
    pub(crate) async fn serve(&self) -> FakeServer {
        let rows = self.clone();
        FakeServer::start(move |_| rows.reply()).await
    }
}
