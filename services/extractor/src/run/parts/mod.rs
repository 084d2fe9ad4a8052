//! The parts of a run, each of which reads one page at a time into a [`PageWriter`].
//!
//! A new part is a file here, a variant of [`RunPart`], and a line in [`read`] and in
//! [`route`](super::route).

mod children;
mod deletions;
mod records;
mod sweep;

use pomost_expression::Variables;

use super::{RunContext, RunPart, RunPosition, page_writer::PageWriter};
use crate::{error::Error, paging::LoopGuard};
use children::ParentMemory;

/// The memory of the listing that is being read, which a process has beside the checkpoint.
#[derive(Default)]
pub(super) struct ListingMemory {
    loop_guard: LoopGuard,
    parents: ParentMemory,
}

/// Reads the page at a position, and returns the next position in the same listing, if there is
/// one.
pub(super) async fn read(
    context: &RunContext<'_>,
    position: &RunPosition,
    variables: &Variables,
    memory: &mut ListingMemory,
    writer: &mut PageWriter<'_>,
) -> Result<Option<RunPosition>, Error> {
    let extract = &context.flow().extract;
    match (&position.part, &extract.for_each) {
        (RunPart::Records, None) => {
            let guard = &mut memory.loop_guard;
            records::read(context, position, variables, guard, writer).await
        }
        (RunPart::Records, Some(parents)) => {
            let memory = &mut memory.parents;
            children::read(context, parents, position, variables, memory, writer).await
        }
        (RunPart::Deletions, _) => {
            let guard = &mut memory.loop_guard;
            deletions::read(context, position, variables, guard, writer).await
        }
        (RunPart::Missing(after), _) => sweep::read(context, after, position, writer).await,
    }
}
