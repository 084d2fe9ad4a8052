//! The jq variables of a flow's expressions.

use pomost_expression::{Value, Variables, given};
use pomost_models::{Record, RunId};

use crate::Flow;

impl Flow {
    /// The variables that every expression of a run has: `$flow` and `$run`.
    pub fn run_variables(&self, run: RunId) -> Variables {
        Variables {
            flow: Value::from(self.name.clone()),
            run: Value::from(run.to_string()),
            ..Variables::default()
        }
    }

    /// The variables of an expression about one record: `$key`, `$version`, `$op`, `$flow` and
    /// `$run`. The caller adds `$id` where the destination's id is known.
    pub fn record_variables(&self, run: RunId, record: &Record) -> Variables {
        Variables {
            key: Value::from(record.key.clone()),
            version: given(record.version.as_str(), record.version.is_text()),
            op: Value::from(record.op.as_str().to_owned()),
            ..self.run_variables(run)
        }
    }
}
