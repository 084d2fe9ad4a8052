//! Whether a source gives cursors as text that look like numbers: in expressions they are then text.

use pomost_models::CursorName;

use crate::{
    checkpoint::Checkpoint,
    extraction::{Error, Extraction},
};

/// What the store has of a flow whose source gives text.
const TEXT: &str = "text";

impl Extraction<'_> {
    /// Whether the last run that had a cursor found text. Until one is known, what is written as a number is one.
    pub(crate) async fn gives_text(&self) -> Result<bool, Error> {
        let known = self.context.store().cursor(&self.type_name()).await?;
        Ok(known.as_deref() == Some(TEXT))
    }

    /// Keeps what the run found for the next ones.
    pub(crate) async fn keep_type(&self, end: &Checkpoint) -> Result<(), Error> {
        let Some(is_text) = end
            .reached_is_text
            .filter(|is_text| *is_text != end.gives_text)
        else {
            return Ok(());
        };
        let known = is_text.then_some(TEXT);
        Ok(self
            .context
            .store()
            .set_cursor(&self.type_name(), known)
            .await?)
    }

    /// Beside the flow's cursor, under a name that no flow has: so services of the version before read the
    /// cursor as they did.
    fn type_name(&self) -> String {
        CursorName::ValueType(&self.run.flow).to_string()
    }
}
