//! Source keys: the keys that a source listed, of flows that delete what the source no longer
//! lists.
//!
//! They are written with each page ([`Runs::record_page`](crate::Runs::record_page)).

use async_trait::async_trait;
use pomost_models::RunId;

use crate::Result;

/// Finds the keys that a source no longer lists.
#[async_trait]
pub trait SourceKeys: Send + Sync + 'static {
    /// The keys that earlier runs of this flow listed and this run did not: the first `limit` of
    /// them that sort after `after`.
    async fn missing_keys(
        &self,
        flow: &str,
        run: RunId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<String>>;

    /// Counts the keys of a flow's source: all, and those that this run has not listed.
    async fn count_keys(&self, flow: &str, run: RunId) -> Result<SourceKeyCounts>;
}

/// Numbers of keys of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceKeyCounts {
    /// All keys that were listed and not deleted since.
    pub known: u64,
    /// The known keys that the run in question has not listed.
    pub missing: u64,
}
