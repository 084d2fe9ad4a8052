//! Reading for each row of another listing: the orders of each customer.

use futures_util::{StreamExt, TryStreamExt, stream};
use pomost_expression::{Value, Variables};
use pomost_project::flow::Listing;

use crate::{
    checkpoint::Place,
    extraction::{Error, Extraction},
    page::Page,
    position::Position,
    seen::Seen,
    unit::Unit,
};

/// The page of parents that is being read for.
#[derive(Default)]
pub struct Parents {
    seen: Seen,
    page: Option<(Position, Page)>,
}

impl Extraction<'_> {
    /// Reads for the next parents of a page, as many as the system takes requests at a time. Their
    /// first pages are asked for together; what comes after these is read parent by parent, so that
    /// no more than these pages are in memory.
    pub(crate) async fn children(
        &self,
        parents: &Listing,
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
            .map(|parent| Variables { parent: parent.clone(), page: Value::Null, ..variables.clone() })
            .collect();
        let first = Position::first(&self.flow().extract.listing.paginate);
        let listing = &self.flow().extract.listing;
        let pages: Vec<_> =
            group.iter().map(|variables| self.source.page(listing, &first, variables)).collect();
        let pages: Vec<Page> = stream::iter(pages).buffered(together).try_collect().await?;
        let done = place.parents + group.len();
        for (variables, page) in group.iter().zip(pages) {
            self.child(&first, page, variables, unit).await?;
        }
        Ok(match done < page.rows.len() {
            true => Some(Place { parents: done, ..place.clone() }),
            false => page.next.clone().map(|next| place.at(next)),
        })
    }

    async fn parents<'m>(
        &self,
        listing: &Listing,
        place: &Place,
        variables: &Variables,
        memory: &'m mut Parents,
    ) -> Result<&'m Page, Error> {
        let known = memory.page.take().filter(|(position, _)| *position == place.position);
        let page = match known {
            Some((_, page)) => page,
            None => self.page(listing, &place.position, variables, &mut memory.seen).await?,
        };
        Ok(&memory.page.insert((place.position.clone(), page)).1)
    }

    async fn child(
        &self,
        first: &Position,
        page: Page,
        variables: &Variables,
        unit: &mut Unit<'_>,
    ) -> Result<(), Error> {
        let mut seen = Seen::default();
        seen.note(first, &page.rows)?;
        let (mut rows, mut next) = (page.rows, page.next);
        loop {
            unit.add(self.source.fetched(rows, variables).await?, variables).await?;
            let Some(position) = next else { return Ok(()) };
            let page = self.page(&self.flow().extract.listing, &position, variables, &mut seen).await?;
            (rows, next) = (page.rows, page.next);
        }
    }
}
