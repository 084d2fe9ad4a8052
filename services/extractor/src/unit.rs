//! Making batches of rows, and putting them into the transformer's queue.

use pomost_expression::Variables;
use pomost_models::{Batch, DeadLetter, DeadLetterReason, Operation, Record, Stage, Version};
use pomost_runtime::{
    dead::{self, Diagnosis},
    metrics, outbox,
    worker::HandlerError,
};
use pomost_store::PageProgress;
use uuid::{Builder, Uuid};

use crate::{
    checkpoint::{Checkpoint, Place},
    cursor::{self, Kind},
    extraction::{Error, Extraction},
    fetch,
    page::SyncToken,
    rows::{self, Refused, Row},
    wall_clock::WallClock,
};

/// Batches published together: one wait for their confirms.
const TOGETHER: usize = 10;

/// How many bytes of records wait for each other, but for the last of them.
const TOGETHER_BYTES: usize = 8 * 1024 * 1024;

/// What is read between two checkpoints: a page, or a page for each of several parents.
pub struct Unit<'a> {
    extraction: &'a Extraction<'a>,
    checkpoint: Checkpoint,
    /// When its first page is asked for, among all that is asked for and delivered.
    moment: Uuid,
    rows: u64,
    waiting: Vec<Result<Record, Box<Refused>>>,
    waiting_bytes: usize,
    batches: Vec<(String, u32)>,
    listed: Vec<String>,
    forgotten: Vec<String>,
}

impl<'a> Unit<'a> {
    /// An empty unit after a checkpoint.
    pub fn new(extraction: &'a Extraction<'a>, checkpoint: Checkpoint) -> Unit<'a> {
        let (waiting, waiting_bytes, batches, listed, forgotten) = Default::default();
        let moment = Uuid::now_v7();
        Unit {
            extraction,
            checkpoint,
            moment,
            rows: 0,
            waiting,
            waiting_bytes,
            batches,
            listed,
            forgotten,
        }
    }

    /// The order of the next row among all that the source gives.
    pub fn order(&self) -> Version {
        Version::of_extraction(self.moment, self.rows as usize)
    }

    /// The place of the run's beginning in the order of extraction, after all earlier runs.
    pub fn beginning(&self) -> Version {
        let began = self
            .checkpoint
            .began
            .and_then(|began| u64::try_from(began.as_millisecond()).ok());
        let moment =
            began.map(|began| Builder::from_unix_timestamp_millis(began, &[0; 10]).into_uuid());
        Version::of_extraction(moment.unwrap_or(self.moment), 0)
    }

    /// Adds the rows of a page. Rows that are gone are deletions, where the flow has such.
    pub async fn add(&mut self, rows: Vec<fetch::Row>, variables: &Variables) -> Result<(), Error> {
        let flow = self.extraction.flow();
        for row in rows {
            let order = self.order();
            let row = match row {
                fetch::Row::There(value) => {
                    let row = rows::row(flow, value, order, variables);
                    self.count(&row);
                    row
                }
                fetch::Row::Gone(value) if flow.load.deletes() => {
                    rows::gone(flow, value, order, variables)
                }
                fetch::Row::Gone(_) => continue,
                fetch::Row::Refused(value, error) => {
                    Err(rows::refused(flow, &value, order, error, variables))
                }
            };
            self.add_row(row).await?;
        }
        Ok(())
    }

    /// Notes what an answer says of where the next run begins; the last that says so counts.
    pub fn note_token(&mut self, token: Option<SyncToken>, should_be_there: bool) {
        self.checkpoint.spoke |= should_be_there;
        let Some(SyncToken { token, is_text }) = token else {
            return;
        };
        self.checkpoint.token = Some(token);
        self.checkpoint.reached_is_text = Some(is_text);
    }

    /// Adds one row, and publishes those that wait where they are enough for it. When that is depends on
    /// the rows alone, and not on how they came: who reads them again makes the same batches of them.
    pub async fn add_row(&mut self, row: Result<Row, Box<Refused>>) -> Result<(), Error> {
        self.rows += 1;
        let record = row.and_then(|row| self.reach(row));
        if self.extraction.flow().extract.sweep.is_some() {
            self.note_key(&record);
        }
        self.waiting_bytes += record.as_ref().map_or(0, |record| record.data.get().len());
        self.waiting.push(record);
        let full = self.waiting.len() >= TOGETHER * self.extraction.flow().batch_size;
        if full || self.waiting_bytes >= TOGETHER_BYTES {
            self.publish().await?;
        }
        Ok(())
    }

    /// Publishes what is left, then records what was read and where to go on.
    pub async fn close(mut self, place: Option<Place>) -> Result<Checkpoint, Error> {
        self.publish().await?;
        let Unit {
            extraction,
            checkpoint,
            rows,
            batches,
            listed,
            forgotten,
            ..
        } = self;
        let next = Checkpoint {
            place,
            pages: checkpoint.pages + 1,
            rows: checkpoint.rows + rows,
            ..checkpoint
        };
        let (run, checkpoint) = (extraction.run.id, serde_json::json!(next));
        let progress = PageProgress {
            run,
            batches,
            checkpoint,
            listed_keys: listed,
            deleted_keys: forgotten,
        };
        extraction
            .context
            .store()
            .record_page(extraction.lease, &progress)
            .await?;
        metrics::count_extracted(&extraction.run.flow, rows as usize);
        Ok(next)
    }

    /// Notes what the source lists. It also lists a row that is refused, as far as its key can be read.
    fn note_key(&mut self, row: &Result<Record, Box<Refused>>) {
        match row {
            Ok(record) if record.op == Operation::Delete => self.forgotten.push(record.key.clone()),
            Ok(record) => self.listed.push(record.key.clone()),
            Err(refused) if refused.record.key.is_empty() => {}
            Err(refused) => self.listed.push(refused.record.key.clone()),
        }
    }

    fn count(&mut self, row: &Result<Row, Box<Refused>>) {
        match row {
            Ok(Row {
                cursor: Some(_), ..
            }) => self.checkpoint.dated += 1,
            Ok(Row { cursor: None, .. }) => self.checkpoint.undated += 1,
            Err(_) => {}
        }
    }

    /// The record of a row, and how far the source has been read with it. A cursor of another type
    /// than those before it would outrank them all, or be outranked, for ever. One later than the run's
    /// beginning does not count: a row on an earlier page may have changed before it, and since it was read.
    fn reach(&mut self, Row { record, cursor }: Row) -> Result<Record, Box<Refused>> {
        let reached = self.checkpoint.reached.take();
        let began = self.checkpoint.began;
        let clock = WallClock::from(self.extraction.flow().extract.timezone.as_ref());
        let cursor = cursor.filter(|cursor| {
            began.is_none_or(|began| !cursor::is_later(cursor.as_str(), began, clock))
        });
        self.checkpoint.contradicted |= cursor
            .as_ref()
            .is_some_and(|cursor| self.contradicts(cursor));
        self.checkpoint.reached_is_text = cursor
            .as_ref()
            .map(Version::is_text)
            .or(self.checkpoint.reached_is_text);
        let cursor = cursor.map(|cursor| Version::new(cursor.as_str()));
        let (reached, fits) = match (reached, cursor) {
            (Some(reached), Some(cursor)) if self.is_set_otherwise(&reached, &cursor) => {
                (Some(cursor), true)
            }
            (Some(reached), Some(cursor)) if !cursor.compares_with(&reached) => {
                (Some(reached), false)
            }
            (Some(_), Some(cursor)) if self.checkpoint.contradicted => (Some(cursor), true),
            (Some(reached), Some(cursor)) => (Some(reached.max(cursor)), true),
            (reached, cursor) => (reached.or(cursor), true),
        };
        self.checkpoint.reached = reached;
        if fits {
            return Ok(record);
        }
        let error = "extract.cursor.value found another type of value than in the rows before: times, numbers and \
                     text have no common order";
        let diagnosis = Diagnosis {
            reason: DeadLetterReason::Invalid,
            error: error.into(),
            pointer: None,
        };
        Err(Box::new(Refused { record, diagnosis }))
    }

    /// Whether the run began at a time that is written otherwise than the source writes times: at a date that
    /// somebody set where it has instants, or the reverse. Those have no common order.
    fn is_set_otherwise(&self, reached: &Version, cursor: &Version) -> bool {
        let is_time = |version: &Version| Kind::of(version.as_str()) == Kind::Time;
        let is_as_found = self.checkpoint.found.as_deref() == Some(reached.as_str());
        is_as_found && !cursor.compares_with(reached) && is_time(reached) && is_time(cursor)
    }

    /// Whether the source listed what is less than the text it was asked from: then it does not compare texts as we
    /// do, and the one read last counts from there on. It is one that the source told after the one it was asked
    /// from, so nothing lies between. Nothing is asked from before a text. Most rows are not less, so that is asked
    /// before what costs more.
    fn contradicts(&self, cursor: &Version) -> bool {
        let Checkpoint { since, found, .. } = &self.checkpoint;
        let since = since
            .as_deref()
            .filter(|since| cursor.as_str() < *since && Some(*since) == found.as_deref());
        let is_text = |text: &str| Kind::of(text) == Kind::Text;
        since.is_some_and(|since| is_text(since) && is_text(cursor.as_str()))
    }

    /// Publishes the rows that wait.
    async fn publish(&mut self) -> Result<(), Error> {
        self.waiting_bytes = 0;
        let (mut batches, mut letters) = (Vec::new(), Vec::new());
        let mut waiting = std::mem::take(&mut self.waiting).into_iter().peekable();
        while waiting.peek().is_some() {
            let batch = self.batch(
                waiting.by_ref().take(self.extraction.flow().batch_size),
                &mut letters,
            );
            self.batches.push((batch.id.clone(), batch.size));
            batches.push(batch);
        }
        let (backends, flow) = (&self.extraction.context.backends, self.extraction.flow());
        let full: Vec<&Batch> = batches
            .iter()
            .filter(|batch| !batch.records.is_empty())
            .collect();
        // However long the queue is full: a page given up would be read anew, from its first row.
        while let Err(trouble) =
            outbox::enter(backends, flow, Stage::Transform, &full, &letters).await
        {
            if !matches!(trouble, HandlerError::Broker(pomost_broker::Error::Full(_))) {
                return Err(trouble.into());
            }
        }
        Ok(())
    }

    fn batch(
        &self,
        rows: impl Iterator<Item = Result<Record, Box<Refused>>>,
        letters: &mut Vec<DeadLetter>,
    ) -> Batch {
        let (flow, run) = (self.extraction.run.flow.clone(), self.extraction.run.id);
        let id = format!("{}.{}", self.checkpoint.pages, self.batches.len());
        let lane = self.extraction.lane;
        let mut batch = Batch {
            flow,
            run,
            id,
            size: 0,
            attempt: 0,
            waits: 0,
            lane,
            records: Vec::new(),
        };
        let mut refused = Vec::new();
        for row in rows {
            let slot = batch.size;
            match row {
                Ok(record) => batch.records.push(Record { slot, ..record }),
                Err(row) => refused.push((Record { slot, ..row.record }, row.diagnosis)),
            }
            batch.size += 1;
        }
        let under = || Some(self.extraction.flow().into());
        let letter =
            |(record, diagnosis)| dead::letter(under(), &batch, record, Stage::Extract, diagnosis);
        letters.extend(refused.into_iter().map(letter));
        batch
    }
}
