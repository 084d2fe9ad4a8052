//! One run: page after page into the transformer's queue.

use std::{collections::HashSet, sync::Arc};

use pomost_broker::{Queue, Route};
use pomost_expression::{Value, Variables};
use pomost_http::{Client, Failure};
use pomost_models::{Batch, DeadLetter, Reason, Record, Stage, Version};
use pomost_project::Flow;
use pomost_runtime::{
    Context,
    dead::{self, Diagnosis},
    metrics, outbox, telemetry,
};
use pomost_store::{Lease, PageProgress, Run};
use serde::{Deserialize, Serialize};
use tracing::{Instrument, field, info, info_span};

use crate::{
    cursor,
    page::{Page, hash_of},
    position::Position,
    rows::{self, Refused, Row},
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
}

/// Why an extraction did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source does not answer as the flow says; trying again would not help.
    #[error("{0}")]
    Source(String),
    /// The store failed, or somebody else extracts the flow now.
    #[error(transparent)]
    Store(#[from] pomost_store::Error),
    /// The broker failed.
    #[error(transparent)]
    Broker(#[from] pomost_broker::Error),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        Error::Source(failure.message)
    }
}

/// Where a run goes on after a crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Checkpoint {
    /// The page to read next; none when all have been read.
    position: Option<Position>,
    /// How many pages were read before it.
    pages: u64,
    /// The value of `$cursor` for the whole run.
    since: Option<String>,
    /// The highest cursor seen.
    reached: Option<Version>,
}

impl Extraction<'_> {
    /// Reads from the run's checkpoint to the last page. Of each page: publish and await the
    /// confirms, then record the progress. A crash between the two publishes the page again under
    /// the same batch ids.
    pub async fn extract(&self) -> Result<(), Error> {
        let mut checkpoint = self.checkpoint().await?;
        let mut seen = Seen::default();
        while let Some(position) = checkpoint.position.clone() {
            let span = self.span(&checkpoint);
            telemetry::note_trace_id(&span);
            checkpoint = self.extract_page(checkpoint, position, &mut seen).instrument(span).await?;
        }
        self.finish(&checkpoint).await
    }

    async fn checkpoint(&self) -> Result<Checkpoint, Error> {
        if let Some(stored) = &self.run.checkpoint {
            let checkpoint = Checkpoint::deserialize(stored);
            return checkpoint.map_err(|error| pomost_store::Error::Unreadable(error.to_string()).into());
        }
        let stored = self.context.store().cursor(&self.run.flow).await?;
        let since = self.since(stored.as_deref()).map_err(Error::Source)?;
        let first = Position::first(&self.flow().extract.paginate);
        Ok(Checkpoint { position: Some(first), pages: 0, since, reached: stored.map(Version::new) })
    }

    fn since(&self, stored: Option<&str>) -> Result<Option<String>, String> {
        let asked = self.run.since.as_deref();
        match (&self.flow().extract.cursor, asked) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err("--since needs extract.cursor, which the flow has not".into()),
            (Some(cursor), _) => cursor::beginning(cursor, asked, stored).map(Some),
        }
    }

    /// Extracts the page at a position and returns where to go on.
    async fn extract_page(
        &self,
        checkpoint: Checkpoint,
        position: Position,
        seen: &mut Seen,
    ) -> Result<Checkpoint, Error> {
        let variables = self.variables(&checkpoint, &position);
        let page = self.source.page(&position, &variables).await?;
        let rows = self.rows(&page, &variables)?;
        let next = position
            .next(&self.flow().extract.paginate, &page.answer, rows.len(), &variables)
            .map_err(|error| Error::Source(format!("extract.paginate: {}", error.message)))?;
        let next = next.map(|next| self.source.absolute(next, &page)).transpose()?;
        seen.note(&position, &rows)?;
        let made = self.batches(rows, &checkpoint, &variables);
        self.publish(&made).await?;
        self.record(checkpoint, made, next).await
    }

    fn rows(&self, page: &Page, variables: &Variables) -> Result<Vec<Value>, Error> {
        let rows = self.flow().extract.records.outputs(page.answer.clone(), variables);
        rows.map_err(|error| Error::Source(format!("extract.records: {}", error.message)))
    }

    fn batches(&self, rows: Vec<Value>, checkpoint: &Checkpoint, variables: &Variables) -> Made {
        let mut made = Made::default();
        let mut rows = rows.into_iter().enumerate().peekable();
        for number in 0.. {
            if rows.peek().is_none() {
                break;
            }
            let id = format!("{}.{number}", checkpoint.pages);
            let chunk = rows.by_ref().take(self.flow().batch_size);
            self.batch(id, chunk, checkpoint, variables, &mut made);
        }
        made
    }

    fn batch(
        &self,
        id: String,
        rows: impl Iterator<Item = (usize, Value)>,
        checkpoint: &Checkpoint,
        variables: &Variables,
        made: &mut Made,
    ) {
        let (mut records, mut refused) = (Vec::with_capacity(self.flow().batch_size), Vec::new());
        let mut size = 0;
        for ((number, value), slot) in rows.zip(0..) {
            let order = Version::of_extraction(self.run.id, self.lease.token, checkpoint.pages, number);
            let row = rows::row(self.flow(), value, order, variables);
            match row.and_then(|row| made.reach(row, checkpoint)) {
                Ok(record) => records.push(Record { slot, ..record }),
                Err(row) => refused.push((Record { slot, ..row.record }, row.diagnosis)),
            }
            size = slot + 1;
        }
        let flow = self.run.flow.clone();
        let batch = Batch { flow, run: self.run.id, id, size, attempt: 0, waits: 0, records };
        let letter = |(record, diagnosis)| dead::letter(&batch, record, Stage::Extract, diagnosis);
        made.letters.extend(refused.into_iter().map(letter));
        made.batches.push(batch);
    }

    async fn publish(&self, made: &Made) -> Result<(), Error> {
        let broker = self.context.broker();
        let route = Route::to(Queue::work(Stage::Transform, &self.run.flow));
        let full: Vec<&Batch> = made.batches.iter().filter(|batch| !batch.records.is_empty()).collect();
        outbox::send(broker, &route, &full).await?;
        Ok(dead::publish(broker, &made.letters).await?)
    }

    async fn record(
        &self,
        done: Checkpoint,
        made: Made,
        position: Option<Position>,
    ) -> Result<Checkpoint, Error> {
        let records: u32 = made.batches.iter().map(|batch| batch.size).sum();
        let reached = latest(done.reached, made.reached);
        let next = Checkpoint { position, pages: done.pages + 1, since: done.since, reached };
        let progress = PageProgress {
            run: self.run.id,
            batches: made.batches.into_iter().map(|batch| (batch.id, batch.size)).collect(),
            checkpoint: serde_json::json!(next),
        };
        self.context.store().record_page(self.lease, &progress).await?;
        metrics::count_extracted(&self.run.flow, records as usize);
        Ok(next)
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
        store.finish_extraction(self.lease, self.run.id, cursor.as_ref().map(Version::as_str)).await?;
        info!(flow = self.run.flow, run = %self.run.id, pages = end.pages, "extracted");
        Ok(())
    }

    fn variables(&self, checkpoint: &Checkpoint, position: &Position) -> Variables {
        let text = |text: &str| Value::from(text.to_owned());
        Variables {
            cursor: checkpoint.since.as_deref().map_or(Value::Null, text),
            page: position.value().as_deref().map_or(Value::Null, text),
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

    fn flow(&self) -> &Flow {
        &self.source.flow
    }
}

/// What was made of a page.
#[derive(Default)]
struct Made {
    batches: Vec<Batch>,
    letters: Vec<DeadLetter>,
    reached: Option<Version>,
}

impl Made {
    /// The record of a row, and how far the source has been read with it. A cursor of another type
    /// than those before it would outrank them all, or be outranked, for ever.
    fn reach(&mut self, row: Row, checkpoint: &Checkpoint) -> Result<Record, Box<Refused>> {
        let before = self.reached.as_ref().or(checkpoint.reached.as_ref());
        if let (Some(cursor), Some(before)) = (&row.cursor, before)
            && !cursor.compares_with(before)
        {
            let error = "extract.cursor.value found another type of value than in the rows before: times, numbers and \
                         text have no common order";
            let diagnosis = Diagnosis { reason: Reason::Invalid, error: error.into(), pointer: None };
            return Err(Box::new(Refused { record: row.record, diagnosis }));
        }
        self.reached = latest(self.reached.take(), row.cursor);
        Ok(row.record)
    }
}

/// How many pages in a row may be without rows.
const MAX_EMPTY_PAGES: usize = 10_000;

/// The positions and pages of this run so far, by hash: eight bytes each, however many there are. A
/// source that names a page twice, or answers every page with the same rows, would be read for ever.
#[derive(Default)]
struct Seen {
    positions: HashSet<u64>,
    pages: HashSet<u64>,
    empty: usize,
}

impl Seen {
    fn note(&mut self, position: &Position, rows: &[Value]) -> Result<(), Error> {
        if !self.positions.insert(hash_of(position)) {
            return Err(Error::Source("the source leads to a page that this run has read already".into()));
        }
        if !rows.is_empty() && !self.pages.insert(hash_of(&rows)) {
            let message = "the source answers two pages of this run with the same rows: it ignores the page it is \
                           asked for; check extract.paginate";
            return Err(Error::Source(message.into()));
        }
        self.empty = if rows.is_empty() { self.empty + 1 } else { 0 };
        if self.empty == MAX_EMPTY_PAGES {
            return Err(Error::Source(format!(
                "the source answers {MAX_EMPTY_PAGES} pages in a row without rows; check extract.paginate"
            )));
        }
        Ok(())
    }
}

fn latest(one: Option<Version>, other: Option<Version>) -> Option<Version> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (one, other) => one.or(other),
    }
}
