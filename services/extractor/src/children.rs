//! Reading for each row of another listing: the orders of each customer.

use futures_util::{StreamExt, TryStreamExt, stream};
use pomost_expression::{Value, Variables};
use pomost_project::flow::ListingRequest;

use crate::{
    checkpoint::Place,
    extraction::{Error, Extraction},
    page::Page,
    position::Position,
    seen::Seen,
    unit::Unit,
};

/// The parents that are being read for.
#[derive(Default)]
pub struct Parents {
    seen: Seen,
    page: Option<ParentsPage>,
}

/// A page of parents.
struct ParentsPage {
    position: Position,
    rows: Vec<Value>,
    next: Option<Position>,
}

impl Extraction<'_> {
    /// Reads for the next parents of a page, as many as the system takes requests at a time. Their
    /// first pages are asked for together; what comes after these is read parent by parent, so that
    /// no more than these pages are in memory.
    pub(crate) async fn children(
        &self,
        parents: &ListingRequest,
        place: &Place,
        variables: &Variables,
        memory: &mut Parents,
        unit: &mut Unit<'_>,
    ) -> Result<Option<Place>, Error> {
        let page = self.parents(parents, place, variables, memory).await?;
        let together = self.source.client.concurrency();
        let group: Vec<Variables> = page
            .rows
            .iter()
            .skip(place.parents)
            .take(together)
            .map(|parent| Variables {
                parent: parent.clone(),
                page: Value::Null,
                ..variables.clone()
            })
            .collect();
        let listing = self.listing()?;
        let first = Position::first(&listing.paginate);
        let pages: Vec<_> = group
            .iter()
            .map(|variables| self.source.open(listing, &first, variables))
            .collect();
        let pages: Vec<Page<'_>> = stream::iter(pages).buffered(together).try_collect().await?;
        let done = place.parents + group.len();
        for (variables, page) in group.iter().zip(pages) {
            self.child(page, variables, unit).await?;
        }
        Ok(match done < page.rows.len() {
            true => Some(Place {
                parents: done,
                ..place.clone()
            }),
            false => page.next.clone().map(|next| place.at(next)),
        })
    }

    async fn parents<'m>(
        &self,
        listing: &ListingRequest,
        place: &Place,
        variables: &Variables,
        memory: &'m mut Parents,
    ) -> Result<&'m ParentsPage, Error> {
        let known = memory
            .page
            .take()
            .filter(|page| page.position == place.position);
        let page = match known {
            Some(page) => page,
            None => {
                let mut page = self
                    .source
                    .open(listing, &place.position, variables)
                    .await?;
                let rows = page.all_rows().await?;
                memory.seen.note(page.position(), page.hash())?;
                ParentsPage {
                    position: place.position.clone(),
                    rows,
                    next: page.next()?,
                }
            }
        };
        Ok(memory.page.insert(page))
    }

    async fn child(
        &self,
        first: Page<'_>,
        variables: &Variables,
        unit: &mut Unit<'_>,
    ) -> Result<(), Error> {
        let listing = self.listing()?;
        let (mut seen, mut page) = (Seen::default(), first);
        loop {
            let next = self
                .read_page(&mut page, variables, &mut seen, unit)
                .await?;
            let Some(next) = next else { return Ok(()) };
            page = self.source.open(listing, &next, variables).await?;
        }
    }
}
