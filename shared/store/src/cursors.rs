//! Cursors: the version up to which each flow's source has been read.

use async_trait::async_trait;

use crate::Result;

/// Reads and sets cursors. A run that ends moves its flow's cursor by
/// [`Runs::finish_extraction`](crate::Runs::finish_extraction).
#[async_trait]
pub trait Cursors: Send + Sync + 'static {
    /// The version up to which the flow's source has been read. `None` before the first run has
    /// ended.
    async fn cursor(&self, flow: &str) -> Result<Option<String>>;

    /// Sets the cursor of a flow, or removes it, so that the next run reads everything. Runs that
    /// are not read to their end do not move it any more, and have a warning that says so.
    async fn set_cursor(&self, flow: &str, value: Option<&str>) -> Result<()>;
}

/// The warning of a run whose flow's cursor was set before the run had ended. It also keeps the run
/// from moving the cursor.
pub(crate) const SET_DURING_RUN: &str =
    "the cursor was set before this run had ended, so it stays as it was set";
