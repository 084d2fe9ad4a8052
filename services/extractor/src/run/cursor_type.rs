//! The type of a flow's cursors, remembered from run to run: text that looks like numbers, or
//! numbers.
//!
//! In expressions, such a cursor has to be text, as the source gave it.

use pomost_models::CursorName;

use super::{Checkpoint, RunContext};
use crate::error::Error;

/// The stored word for a source that gives cursors as text.
const TEXT: &str = "text";

impl RunContext<'_> {
    /// True if the last run that had a cursor found text. Until then, a cursor that is written as a
    /// number is one.
    pub(super) async fn cursor_is_text(&self) -> Result<bool, Error> {
        let known = self.store.cursor(&self.cursor_type_name()).await?;
        Ok(known.as_deref() == Some(TEXT))
    }

    /// Stores the type that the run found, if it differs from the one that is stored.
    pub(super) async fn keep_cursor_type(&self, end: &Checkpoint) -> Result<(), Error> {
        let Some(is_text) = end
            .reached_is_text
            .filter(|is_text| *is_text != end.cursor_is_text)
        else {
            return Ok(());
        };
        let value = is_text.then_some(TEXT);
        Ok(self
            .store
            .set_cursor(&self.cursor_type_name(), value)
            .await?)
    }

    /// A name beside the flow's cursor that no flow has, so that services of the version before
    /// read the cursor itself as they did.
    fn cursor_type_name(&self) -> String {
        CursorName::ValueType(&self.run.flow).to_string()
    }
}
