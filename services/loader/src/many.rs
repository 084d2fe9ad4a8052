//! What takes many records at once.

use async_trait::async_trait;
use pomost_http::Failure;

use crate::{
    act::{Act, Failed},
    decide::Step,
};

/// What takes many records at once: requests for many, a table.
#[async_trait]
pub(crate) trait Many: Send + Sync {
    /// The most records to which this is done at once; none where it is done to each by itself.
    fn takes(&self, kind: Kind) -> Option<usize>;

    /// Does it to all rows, and says what became of each, in their order. A failure is of all of them:
    /// nothing was done where it had no [effect](pomost_http::Effect).
    async fn write(&self, kind: Kind, rows: &[Row<'_>]) -> Result<Vec<Written>, Failure>;
}

/// What is done to records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// They are made.
    Create,
    /// They are changed.
    Update,
    /// They are deleted.
    Delete,
}

impl Kind {
    /// What a step does to a record at the destination, if it does anything there.
    pub(crate) fn of(step: &Step) -> Option<Kind> {
        match step {
            Step::Create => Some(Kind::Create),
            Step::Update(_) => Some(Kind::Update),
            Step::Delete(_) => Some(Kind::Delete),
            _ => None,
        }
    }
}

/// One record among those that something is done to.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    /// The record at work.
    pub(crate) act: &'a Act<'a>,
    /// Its id at the destination, where it has one.
    pub(crate) id: Option<&'a str>,
}

/// What became of a record.
#[derive(Debug)]
pub(crate) enum Written {
    /// It was done. Of a create, the id of the new record, where that is not the record's key.
    Done(Option<String>),
    /// It failed.
    Failed(Failed),
    /// It was not tried: there was no time left.
    NotTried,
}
