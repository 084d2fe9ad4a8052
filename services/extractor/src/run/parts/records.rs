//! The listing of the records.

use pomost_expression::Variables;

use super::super::{RunContext, RunPosition, page_writer::PageWriter};
use crate::{
    error::Error,
    paging::{LoopGuard, PagePosition},
    source::PageReader,
};

pub(super) async fn read(
    context: &RunContext<'_>,
    position: &RunPosition,
    variables: &Variables,
    guard: &mut LoopGuard,
    writer: &mut PageWriter<'_>,
) -> Result<Option<RunPosition>, Error> {
    let mut page = context
        .source
        .open_page(context.listing()?, &position.page, variables)
        .await?;
    let next = read_page(context, &mut page, variables, guard, writer).await?;
    Ok(next.map(|next| position.at_page(next)))
}

/// Reads the records of a page to its end, and returns the position of the next page.
pub(super) async fn read_page(
    context: &RunContext<'_>,
    page: &mut PageReader<'_>,
    variables: &Variables,
    guard: &mut LoopGuard,
    writer: &mut PageWriter<'_>,
) -> Result<Option<PagePosition>, Error> {
    while let Some(rows) = page.next_rows().await? {
        let rows = context.source.fetch_rows(rows, variables).await?;
        writer.add_rows(rows, variables).await?;
    }
    guard.check(page.position(), page.hash())?;
    writer.note_token(page.sync_token()?, page.expects_token());
    page.next_position()
}
