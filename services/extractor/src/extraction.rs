//! One run: page after page into the transformer's queue.

use std::sync::Arc;

use jiff::Timestamp;
use pomost_expression::{Value, Variables, given};
use pomost_http::{Failure, SystemClient};
use pomost_models::{Lane, Stage, Version};
use pomost_project::{
    Flow,
    flow::{CursorRules, ListingRequest},
};
use pomost_runtime::{ServiceContext, telemetry, worker::HandlerError};
use pomost_store::{Lease, Run};
use serde::Deserialize;
use tracing::{Instrument, field, info_span};

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
    pub client: SystemClient,
    /// The flow.
    pub flow: Arc<Flow>,
}

/// One run under its flow's lease.
pub struct Extraction<'a> {
    /// What to work with.
    pub context: &'a ServiceContext,
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

impl From<HandlerError> for Error {
    fn from(trouble: HandlerError) -> Error {
        match trouble {
            HandlerError::Broker(error) => error.into(),
            HandlerError::Store(error) => error.into(),
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
            let read = self
                .read(&checkpoint, &place, &mut memory)
                .instrument(span)
                .await;
            let began_anew = checkpoint.anew;
            checkpoint = match read {
                Err(Error::Request(failure)) => self.anew(checkpoint, &place, failure)?,
                read => read?,
            };
            let next = checkpoint.place.as_ref();
            let goes_on =
                next.is_some_and(|next| next.part == place.part && next.window == place.window);
            if !goes_on || checkpoint.anew != began_anew {
                memory = Memory::default();
            }
        }
        self.keep_type(&checkpoint).await?;
        self.finish(&checkpoint).await
    }

    async fn checkpoint(&self) -> Result<Checkpoint, Error> {
        if let Some(stored) = &self.run.checkpoint {
            let checkpoint = Checkpoint::deserialize(stored);
            return checkpoint
                .map_err(|error| pomost_store::Error::Unreadable(error.to_string()).into());
        }
        let stored = self.context.store().cursor(&self.run.flow).await?;
        let since = self.since(stored.as_deref()).map_err(Error::Source)?;
        let place = Some(self.beginning(Part::Records, since.as_deref())?);
        let (found, began) = (
            Some(stored.clone().unwrap_or_default()),
            Some(Timestamp::now()),
        );
        let by_value = self.flow().extract.cursor_value().is_some();
        let reached = stored.filter(|_| by_value).map(Version::new);
        let gives_text = self.gives_text().await?;
        Ok(Checkpoint {
            place,
            since,
            reached,
            began,
            found,
            gives_text,
            ..Checkpoint::default()
        })
    }

    fn since(&self, stored: Option<&str>) -> Result<Option<String>, String> {
        let asked = self.run.since.as_deref();
        match (&self.flow().extract.cursor, asked) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err("--since needs extract.cursor, which the flow has not".into()),
            (Some(cursor), _) => cursor::beginning(&self.flow().extract, cursor, asked, stored)
                .map_err(|problem| format!("extract.cursor cannot begin there: {problem}")),
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
                    patience
                        .wait(&self.source.client, &self.run.flow, failure)
                        .await?
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
                    self.children(parents, place, &variables, &mut memory.parents, &mut unit)
                        .await?
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
        let mut page = self
            .source
            .open(self.listing()?, &place.position, variables)
            .await?;
        let next = self
            .read_page(&mut page, variables, &mut memory.seen, unit)
            .await?;
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
            unit.add(self.source.fetched(rows, variables).await?, variables)
                .await?;
        }
        seen.note(page.position(), page.hash())?;
        unit.note_token(page.sync_token()?, page.should_speak());
        page.next()
    }

    async fn deletions(
        &self,
        place: &Place,
        variables: &Variables,
        memory: &mut Memory,
        unit: &mut Unit<'_>,
    ) -> Result<Option<Place>, Error> {
        let Some(deletions) = &self.flow().extract.deletions else {
            return Ok(None);
        };
        let mut page = self
            .source
            .open(&deletions.listing, &place.position, variables)
            .await?;
        while let Some(rows) = page.rows().await? {
            for row in rows {
                let clock = self.flow().extract.timezone.as_ref().into();
                unit.add_row(rows::deletion(
                    deletions,
                    clock,
                    row,
                    unit.order(),
                    variables,
                ))
                .await?;
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
            && !cursor::is_past(
                &window.until,
                Timestamp::now(),
                extract.timezone.as_ref().into(),
            )
        {
            let window = cursor::window(window.until.clone(), step).map_err(Error::Source)?;
            return Ok(Some(Place {
                window: Some(window),
                ..self.beginning(Part::Records, since)?
            }));
        }
        let next = match &place.part {
            Part::Records if extract.deletions.is_some() => Some(Part::Deletions),
            Part::Records | Part::Deletions
                if extract.sweep.is_some() && self.reads_everything(since) =>
            {
                Some(Part::Missing(String::new()))
            }
            _ => None,
        };
        next.map(|part| self.beginning(part, since)).transpose()
    }

    pub(crate) fn beginning(&self, part: Part, since: Option<&str>) -> Result<Place, Error> {
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
        let link = since.filter(|_| {
            part == Part::Records && extract.cursor.as_ref().is_some_and(CursorRules::is_link)
        });
        let position = link.map_or_else(
            || Position::first(&listing.paginate),
            |link| Position::Url(link.to_owned()),
        );
        Ok(Place {
            part,
            window,
            position,
            parents: 0,
        })
    }

    fn variables(&self, checkpoint: &Checkpoint, place: &Place) -> Variables {
        let text = |text: &str| Value::from(text.to_owned());
        let given = |text: &str| given(text, checkpoint.gives_text);
        let window = place.window.as_ref();
        let since = window
            .map(|window| &*window.from)
            .or(checkpoint.since.as_deref());
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

    pub(crate) fn listing(&self) -> Result<&ListingRequest, Error> {
        let nothing = || {
            Error::Source(
                "the flow has no extract.request: its source delivers, and is not read".into(),
            )
        };
        self.flow().extract.listing.as_ref().ok_or_else(nothing)
    }

    pub(crate) fn flow(&self) -> &Flow {
        &self.source.flow
    }
}
