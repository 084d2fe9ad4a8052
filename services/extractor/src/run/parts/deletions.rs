//! The listing of the records that the source has deleted (`extract.deletions`).

use pomost_expression::Variables;

use super::super::{RunContext, RunPosition, page_writer::PageWriter};

use crate::{error::Error, paging::LoopGuard};

pub(super) async fn read(
    context: &RunContext<'_>,
    position: &RunPosition,
    variables: &Variables,
    guard: &mut LoopGuard,
    writer: &mut PageWriter<'_>,
) -> Result<Option<RunPosition>, Error> {
    let Some(deletions) = &context.flow().extract.deletions else {
        return Ok(None);
    };
    let mut page = context
        .source
        .open_page(&deletions.listing, &position.page, variables)
        .await?;
    while let Some(rows) = page.next_rows().await? {
        for row in rows {
            let (clock, order) = (context.clock(), writer.next_order());
            let deletion = pomost_rows::read_deletion(deletions, clock, row, order, variables);
            writer.add(deletion).await?;
        }
    }
    guard.check(page.position(), page.hash())?;
    Ok(page.next_position()?.map(|next| position.at_page(next)))
}
