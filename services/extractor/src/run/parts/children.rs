//! A listing that is read for each row of another one (`extract.for_each`), as the orders of each
//! customer.

use futures_util::{StreamExt, TryStreamExt, stream};
use pomost_expression::{Value, Variables};
use pomost_project::flow::ListingRequest;

use super::{
    super::{RunContext, RunPosition, page_writer::PageWriter},
    records,
};
use crate::{
    error::Error,
    paging::{LoopGuard, PagePosition},
    source::PageReader,
};

/// The page of parents that is being worked on, kept between two groups of them.
#[derive(Default)]
pub(super) struct ParentMemory {
    loop_guard: LoopGuard,
    page: Option<ParentPage>,
}

struct ParentPage {
    position: PagePosition,
    rows: Vec<Value>,
    next: Option<PagePosition>,
}

/// Reads the children of the next parents on a page, of as many as the system takes requests at a
/// time. The first pages of their children are requested together; the pages after these are read
/// parent by parent, so that no more than the first pages are in memory.
pub(super) async fn read(
    context: &RunContext<'_>,
    parents: &ListingRequest,
    position: &RunPosition,
    variables: &Variables,
    memory: &mut ParentMemory,
    writer: &mut PageWriter<'_>,
) -> Result<Option<RunPosition>, Error> {
    let parent_page = parent_page(context, parents, position, variables, memory).await?;
    let concurrency = context.source.client.concurrency();
    let group: Vec<Variables> = parent_page
        .rows
        .iter()
        .skip(position.parents_done)
        .take(concurrency)
        .map(|parent| Variables {
            parent: parent.clone(),
            page: Value::Null,
            ..variables.clone()
        })
        .collect();
    let listing = context.listing()?;
    let first = PagePosition::first(&listing.paginate);
    let requests: Vec<_> = group
        .iter()
        .map(|variables| context.source.open_page(listing, &first, variables))
        .collect();
    let pages: Vec<PageReader<'_>> = stream::iter(requests)
        .buffered(concurrency)
        .try_collect()
        .await?;
    for (variables, page) in group.iter().zip(pages) {
        read_children(context, page, variables, writer).await?;
    }
    let parents_done = position.parents_done + group.len();
    Ok(match parents_done < parent_page.rows.len() {
        true => Some(RunPosition {
            parents_done,
            ..position.clone()
        }),
        false => parent_page.next.clone().map(|next| position.at_page(next)),
    })
}

/// Returns the page of parents at a position, which is requested unless it is in memory.
async fn parent_page<'m>(
    context: &RunContext<'_>,
    parents: &ListingRequest,
    position: &RunPosition,
    variables: &Variables,
    memory: &'m mut ParentMemory,
) -> Result<&'m ParentPage, Error> {
    // The checkpoint has only the number of parents that are done, so after a crash the page is
    // requested again.
    let known = memory
        .page
        .take()
        .filter(|page| page.position == position.page);
    let page = match known {
        Some(page) => page,
        None => {
            let mut page = context
                .source
                .open_page(parents, &position.page, variables)
                .await?;
            let rows = page.all_rows().await?;
            memory.loop_guard.check(page.position(), page.hash())?;
            ParentPage {
                position: position.page.clone(),
                rows,
                next: page.next_position()?,
            }
        }
    };
    Ok(memory.page.insert(page))
}

async fn read_children(
    context: &RunContext<'_>,
    first: PageReader<'_>,
    variables: &Variables,
    writer: &mut PageWriter<'_>,
) -> Result<(), Error> {
    let listing = context.listing()?;
    let (mut guard, mut page) = (LoopGuard::default(), first);
    loop {
        let next = records::read_page(context, &mut page, variables, &mut guard, writer).await?;
        let Some(next) = next else { return Ok(()) };
        page = context.source.open_page(listing, &next, variables).await?;
    }
}
