//! The runs of a flow, from the schedule to the last page.
//!
//! [`scheduler`] waits for the runs of one flow and takes them up under its lease. [`extraction`]
//! reads one run, page after page, from its [`checkpoint`] to the end; [`route`] says what follows
//! on what, [`parts`] read it, and [`page_writer`] makes batches of the rows, which a
//! [`RecordSink`] takes. [`restart`] begins a run again whose place the source has forgotten, and
//! [`finish`] moves the flow's cursor.

mod checkpoint;
mod context;
mod cursor_progress;
mod cursor_type;
mod extraction;
mod finish;
mod page_writer;
mod parts;
mod restart;
mod route;
pub(crate) mod scheduler;
mod sink;

pub use checkpoint::{Checkpoint, RunPart, RunPosition, TimeWindow};
pub use context::RunContext;
pub use extraction::{extract, read_to_end};
pub use sink::{QueueSink, RecordSink};
