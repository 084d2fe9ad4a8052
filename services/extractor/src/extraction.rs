//! One run: page after page into the transformer's queue.

use std::sync::Arc;

use jiff::Timestamp;
use pomost_expression::{Value, Variables, given};
use pomost_http::{Client, Failure};
use pomost_models::{Lane, Stage, Version};
use pomost_project::{Flow, flow::Listing};
use pomost_runtime::{Context, telemetry, worker::Trouble};
use pomost_store::{Lease, Run};
use serde::Deserialize;
use tracing::{Instrument, field, info, info_span, warn};

use crate::{
    checkpoint::{Checkpoint, Part, Place},
    children::Parents,
    cursor,
    page::Page,
    patience::Patience,
    position::Position,
    rows,
    seen::Seen,
    unit::Unit,
};

/// Where a flow's records come from.
#[derive(Clone)]
pub struct Source {
    /// The system's client.
    pub client: Client,
    /// The flow.
    pub flow: Arc<Flow>,
}

/// One run under its flow's lease.
pub struct Extraction<'a> {
    /// What to work with.
    pub context: &'a Context,
    /// Where the records come from.
    pub source: &'a Source,
    /// The flow's lease.
    pub lease: &'a Lease,
    /// The run.
    pub run: &'a Run,
    /// Whether its records go first, or leave others their turns.
    pub lane: Lane,
}

/// Why an extraction did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source does not answer as the flow says; trying again would not help.
    #[error("{0}")]
    Source(String),
    /// A request to the source failed.
    #[error(transparent)]
    Request(#[from] Failure),
    /// The store failed, or somebody else extracts the flow now.
    #[error(transparent)]
    Store(#[from] pomost_store::Error),
    /// The broker failed.
    #[error(transparent)]
    Broker(#[from] pomost_broker::Error),
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Error {
        match trouble {
            Trouble::Broker(error) => error.into(),
            Trouble::Store(error) => error.into(),
        }
    }
}

/// What a process remembers of a run beside its checkpoint.
#[derive(Default)]
struct Memory {
    seen: Seen,
    parents: Parents,
}

impl Extraction<'_> {
    /// Reads from the run's checkpoint to the last page. Of each page: publish and await the
    /// confirms, then record the progress. A crash between the two publishes the page again under
    /// the same batch ids.
    pub async fn extract(&self) -> Result<(), Error> {
        let mut checkpoint = self.checkpoint().await?;
        let mut memory = Memory::default();
        while let Some(place) = checkpoint.place.clone() {
            let span = self.span(&checkpoint);
            telemetry::note_trace_id(&span);
            checkpoint = self.read(&checkpoint, &place, &mut memory).instrument(span).await?;
            if checkpoint
                .place
                .as_ref()
                .is_none_or(|next| next.part != place.part || next.window != place.window)
            {
                memory = Memory::default();
            }
        }
        self.keep_type(&checkpoint).await?;
        self.finish(&checkpoint).await
    }

    async fn checkpoint(&self) -> Result<Checkpoint, Error> {
        if let Some(stored) = &self.run.checkpoint {
            let checkpoint = Checkpoint::deserialize(stored);
            return checkpoint.map_err(|error| pomost_store::Error::Unreadable(error.to_string()).into());
        }
        let stored = self.context.store().cursor(&self.run.flow).await?;
        let since = self.since(stored.as_deref()).map_err(Error::Source)?;
        let place = self.beginning(Part::Records, since.as_deref())?;
        let (reached, began) = (stored.map(Version::new), Some(Timestamp::now()));
        let (gives_text, reached_is_text) = (self.gives_text().await?, None);
        Ok(Checkpoint {
            place: Some(place),
            pages: 0,
            rows: 0,
            since,
            reached,
            began,
            gives_text,
            reached_is_text,
        })
    }

    fn since(&self, stored: Option<&str>) -> Result<Option<String>, String> {
        let asked = self.run.since.as_deref();
        match (&self.flow().extract.cursor, asked) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err("--since needs extract.cursor, which the flow has not".into()),
            (Some(cursor), _) => cursor::beginning(cursor, asked, stored).map(Some),
        }
    }

    /// Reads what stands at a place, and returns where to go on. An answer that breaks off is asked for
    /// again: what was published of it is published again under the same batch ids.
    async fn read(
        &self,
        checkpoint: &Checkpoint,
        place: &Place,
        memory: &mut Memory,
    ) -> Result<Checkpoint, Error> {
        let mut patience = Patience::default();
        loop {
            match self.try_to_read(checkpoint.clone(), place, memory).await {
                Err(Error::Request(failure)) => {
                    patience.wait(&self.source.client, &self.run.flow, failure).await?
                }
                read => return read,
            }
        }
    }

    async fn try_to_read(
        &self,
        checkpoint: Checkpoint,
        place: &Place,
        memory: &mut Memory,
    ) -> Result<Checkpoint, Error> {
        let variables = self.variables(&checkpoint, place);
        let mut unit = Unit::new(self, checkpoint.clone());
        let next = match &place.part {
            Part::Records => match &self.flow().extract.for_each {
                None => self.records(place, &variables, memory, &mut unit).await?,
                Some(parents) => {
                    self.children(parents, place, &variables, &mut memory.parents, &mut unit).await?
                }
            },
            Part::Deletions => self.deletions(place, &variables, memory, &mut unit).await?,
            Part::Missing(after) => self.missing(after, place, &mut unit).await?,
        };
        let next = match next {
            Some(next) => Some(next),
            None => self.after(place, checkpoint.since.as_deref())?,
        };
        unit.close(next).await
    }

    async fn records(
        &self,
        place: &Place,
        variables: &Variables,
        memory: &mut Memory,
        unit: &mut Unit<'_>,
    ) -> Result<Option<Place>, Error> {
        let mut page = self.source.open(self.listing()?, &place.position, variables).await?;
        let next = self.read_page(&mut page, variables, &mut memory.seen, unit).await?;
        Ok(next.map(|next| place.at(next)))
    }

    /// Reads the records of a page to its end, and returns where the next page is.
    pub(crate) async fn read_page(
        &self,
        page: &mut Page<'_>,
        variables: &Variables,
        seen: &mut Seen,
        unit: &mut Unit<'_>,
    ) -> Result<Option<Position>, Error> {
        while let Some(rows) = page.rows().await? {
            unit.add(self.source.fetched(rows, variables).await?, variables).await?;
        }
        seen.note(page.position(), page.hash())?;
        page.next()
    }

    async fn deletions(
        &self,
        place: &Place,
        variables: &Variables,
        memory: &mut Memory,
        unit: &mut Unit<'_>,
    ) -> Result<Option<Place>, Error> {
        let Some(deletions) = &self.flow().extract.deletions else { return Ok(None) };
        let mut page = self.source.open(&deletions.listing, &place.position, variables).await?;
        while let Some(rows) = page.rows().await? {
            for row in rows {
                unit.add_row(rows::deletion(deletions, row, unit.order(), variables)).await?;
            }
        }
        memory.seen.note(page.position(), page.hash())?;
        Ok(page.next()?.map(|next| place.at(next)))
    }

    /// Where to go on when a listing has been read to its end.
    fn after(&self, place: &Place, since: Option<&str>) -> Result<Option<Place>, Error> {
        let extract = &self.flow().extract;
        if let (Some(window), Some(cursor)) = (&place.window, &extract.cursor)
            && let Some(step) = cursor.step
            && !cursor::is_past(&window.until, Timestamp::now())
        {
            let window = cursor::window(window.until.clone(), step).map_err(Error::Source)?;
            return Ok(Some(Place { window: Some(window), ..self.beginning(Part::Records, since)? }));
        }
        let next = match &place.part {
            Part::Records if extract.deletions.is_some() => Some(Part::Deletions),
            Part::Records | Part::Deletions if extract.sweep.is_some() => Some(Part::Missing(String::new())),
            _ => None,
        };
        next.map(|part| self.beginning(part, since)).transpose()
    }

    fn beginning(&self, part: Part, since: Option<&str>) -> Result<Place, Error> {
        let extract = &self.flow().extract;
        let listing = match (&part, &extract.deletions, &extract.for_each) {
            (Part::Deletions, Some(deletions), _) => &deletions.listing,
            (Part::Records, _, Some(parents)) => parents,
            _ => self.listing()?,
        };
        let step = extract.cursor.as_ref().and_then(|cursor| cursor.step);
        let window = match (&part, step, since) {
            (Part::Records, Some(step), Some(since)) => {
                Some(cursor::window(since.to_owned(), step).map_err(Error::Source)?)
            }
            _ => None,
        };
        Ok(Place { part, window, position: Position::first(&listing.paginate), parents: 0 })
    }

    /// The cursor moves only here, when every page is with the broker: pages need not be in its
    /// order. It never moves back, so a run from an earlier `--since` leaves it where it is; and it
    /// stays after a run from a later one, or what lies between would never be read.
    async fn finish(&self, end: &Checkpoint) -> Result<(), Error> {
        let store = self.context.store();
        let stored = store.cursor(&self.run.flow).await?.map(Version::new);
        let start = self.flow().extract.cursor.as_ref().map(|cursor| Version::new(&*cursor.start));
        let known = stored.clone().or(start);
        let leaves_a_gap = latest(known.clone(), self.run.since.clone().map(Version::new)) != known;
        let cursor = if leaves_a_gap { stored } else { latest(stored, end.reached.clone()) };
        let cursor = cursor.as_ref().map(Version::as_str);
        let warning = self.warning(end).await?;
        store.finish_extraction(self.lease, self.run.id, cursor, warning).await?;
        info!(flow = self.run.flow, run = %self.run.id, pages = end.pages, rows = end.rows, "extracted");
        Ok(())
    }

    /// A source that had records and suddenly lists none is more likely at fault than empty.
    async fn warning(&self, end: &Checkpoint) -> Result<Option<&'static str>, Error> {
        let reads_everything = self.flow().extract.cursor.is_none();
        if end.rows > 0 || !reads_everything || !self.context.store().has_applied(&self.run.flow).await? {
            return Ok(None);
        }
        let warning = "the source listed no records at all, though it had some before";
        warn!(flow = self.run.flow, run = %self.run.id, warning);
        Ok(Some(warning))
    }

    fn variables(&self, checkpoint: &Checkpoint, place: &Place) -> Variables {
        let text = |text: &str| Value::from(text.to_owned());
        let given = |text: &str| given(text, checkpoint.gives_text);
        let window = place.window.as_ref();
        let since = window.map(|window| &*window.from).or(checkpoint.since.as_deref());
        Variables {
            cursor: since.map_or(Value::Null, given),
            until: window.map_or(Value::Null, |window| given(&window.until)),
            page: place.position.variable(),
            flow: text(&self.run.flow),
            run: text(&self.run.id.to_string()),
            ..Variables::default()
        }
    }

    fn span(&self, checkpoint: &Checkpoint) -> tracing::Span {
        info_span!(
            target: telemetry::STAGE_SPANS,
            "page",
            otel.name = %format_args!("extract {}", self.run.flow),
            stage = %Stage::Extract,
            flow = %self.run.flow,
            run = %self.run.id,
            page = checkpoint.pages,
            trace_id = field::Empty,
        )
    }

    pub(crate) fn listing(&self) -> Result<&Listing, Error> {
        let nothing =
            || Error::Source("the flow has no extract.request: its source delivers, and is not read".into());
        self.flow().extract.listing.as_ref().ok_or_else(nothing)
    }

    pub(crate) fn flow(&self) -> &Flow {
        &self.source.flow
    }
}

fn latest(one: Option<Version>, other: Option<Version>) -> Option<Version> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    }
}
