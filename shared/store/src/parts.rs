//! The parts that mappings split records into: which of them the destination may have.

use async_trait::async_trait;

use crate::Result;

/// Keeps the shapes of records, of flows whose mapping may make several records of one.
#[async_trait]
pub trait SplitRecords: Send + Sync + 'static {
    /// Reads what is known of the shapes of records, in the order of their keys, which differ.
    async fn known_shapes(&self, flow: &str, keys: &[&str]) -> Result<Vec<KnownShape>>;

    /// Notes new shapes of records, each while the one that it was decided on still holds. `false`
    /// where one did not hold any more: read them and decide again.
    async fn change_shapes(&self, flow: &str, changes: &[ShapeChange]) -> Result<bool>;

    /// True if records of a flow were ever split, so that its destination may have parts of them.
    async fn has_split(&self, flow: &str) -> Result<bool>;
}

/// The key of a part of a record.
pub fn part_key(key: &str, part: u32) -> String {
    format!("{key}/{part}")
}

/// The newest change of a record that was transformed, and what older ones may have left at the
/// destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordShape {
    /// The order key of the change's version.
    pub version: String,
    /// Number of records that the mapping made of it: none of a deletion.
    pub outputs: u32,
    /// Number of parts, counted from the first, beyond which the destination has none and gets
    /// none.
    pub parts: u32,
    /// True where the destination may have, or get, the record under its own key.
    pub whole: bool,
}

impl RecordShape {
    /// Number of parts of the newest change. One output is the whole record, and no part.
    pub fn current_parts(&self) -> u32 {
        if self.outputs > 1 { self.outputs } else { 0 }
    }
}

/// The knowledge about the shape of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownShape {
    /// The shape as it was noted last; none of a record whose changes were never noted.
    pub shape: Option<RecordShape>,
    /// Number of parts, counted from the first, that the destination may have: the newest change
    /// has them, or the ledger does not have the deletion of the last of them yet.
    pub remaining_parts: u32,
    /// True where the destination may have the record under its own key.
    pub whole_remains: bool,
}

/// A new shape of a record, noted only while the shape that it was decided on still holds.
#[derive(Debug, Clone)]
pub struct ShapeChange {
    pub key: String,
    pub before: Option<RecordShape>,
    pub after: RecordShape,
}
