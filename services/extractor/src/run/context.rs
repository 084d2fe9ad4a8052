//! The context that all steps of a run share.

use pomost_models::Lane;
use pomost_project::{
    Flow,
    flow::{CursorRules, ListingRequest},
};
use pomost_rows::cursor::WallClock;
use pomost_store::{Run, Store};

use super::RecordSink;

use crate::{error::Error, source::Source};

/// The run that is being read, its source, and the sink of its records.
#[derive(Clone, Copy)]
pub struct RunContext<'a> {
    pub source: &'a Source,
    pub run: &'a Run,
    /// The lane in which its records travel.
    pub lane: Lane,
    pub sink: &'a dyn RecordSink,
    pub store: &'a dyn Store,
}

impl<'a> RunContext<'a> {
    pub(super) fn flow(&self) -> &'a Flow {
        &self.source.flow
    }

    pub(super) fn cursor(&self) -> Option<&'a CursorRules> {
        self.flow().extract.cursor.as_ref()
    }

    /// The clock of the source's times that name no zone.
    pub(super) fn clock(&self) -> WallClock<'a> {
        self.flow().extract.timezone.as_ref().into()
    }

    pub(super) fn listing(&self) -> Result<&'a ListingRequest, Error> {
        listing(self.flow())
    }
}

/// The listing of a flow's records, unless its source only delivers.
pub(super) fn listing(flow: &Flow) -> Result<&ListingRequest, Error> {
    flow.extract.listing.as_ref().ok_or_else(|| {
        Error::Permanent(
            "the flow has no extract.request: its source delivers, and is not read".into(),
        )
    })
}
