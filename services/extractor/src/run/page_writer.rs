//! The batches that the rows of a page make.

#[cfg(test)]
mod tests;

use pomost_expression::Variables;
use pomost_models::{Batch, BatchId, DeadLetter, Diagnosis, Operation, Record, Stage, Version};
use pomost_rows::{ExtractedRow, RefusedRow};
use pomost_runtime::dead_letters;
use pomost_store::PageProgress;
use uuid::{Builder, Uuid};

use super::{Checkpoint, RunContext, RunPosition};
use crate::{
    error::Error,
    source::{SyncToken, row_fetch::FetchedRow},
};

/// Number of batches put at a time: their confirms are awaited together.
const BATCHES_AT_A_TIME: usize = 10;

/// Number of bytes of records, beside the last record, that wait to be put.
const MAX_WAITING_BYTES: usize = 8 * 1024 * 1024;

/// Number of keys of a sweep that wait to be recorded, before a page ends that has more.
const MAX_WAITING_KEYS: usize = 10_000;

/// Makes batches of the rows between two checkpoints: of one page, or of the pages of several
/// parents.
pub(super) struct PageWriter<'a> {
    context: &'a RunContext<'a>,
    /// The checkpoint before the page.
    start: &'a Checkpoint,
    /// The checkpoint as the rows of the page change it.
    checkpoint: Checkpoint,
    /// The moment before the page was requested. Pages and deliveries of a later moment are newer.
    moment: Uuid,
    rows: u64,
    waiting: Vec<Result<Record, Box<RefusedRow>>>,
    waiting_bytes: usize,
    batches: usize,
    /// Batches that were put, and keys, that are not recorded yet.
    unrecorded: UnrecordedProgress,
}

#[derive(Default)]
struct UnrecordedProgress {
    batches: Vec<(String, u32)>,
    listed: Vec<String>,
    forgotten: Vec<String>,
}

impl<'a> PageWriter<'a> {
    pub(super) fn new(context: &'a RunContext<'a>, start: &'a Checkpoint) -> PageWriter<'a> {
        PageWriter {
            context,
            start,
            checkpoint: start.clone(),
            moment: Uuid::now_v7(),
            rows: 0,
            waiting: Vec::new(),
            waiting_bytes: 0,
            batches: 0,
            unrecorded: UnrecordedProgress::default(),
        }
    }

    /// The next row's place in the order of extraction.
    pub(super) fn next_order(&self) -> Version {
        Version::of_extraction(self.moment, self.rows as usize)
    }

    /// The place of the run's beginning in the order of extraction, after all earlier runs.
    pub(super) fn order_of_run(&self) -> Version {
        let began_at = self
            .checkpoint
            .began_at
            .and_then(|began| u64::try_from(began.as_millisecond()).ok());
        let moment =
            began_at.map(|began| Builder::from_unix_timestamp_millis(began, &[0; 10]).into_uuid());
        Version::of_extraction(moment.unwrap_or(self.moment), 0)
    }

    /// Adds rows of a page. Rows that are gone become deletions, if the flow loads those.
    pub(super) async fn add_rows(
        &mut self,
        rows: Vec<FetchedRow>,
        variables: &Variables,
    ) -> Result<(), Error> {
        let flow = self.context.flow();
        for row in rows {
            let order = self.next_order();
            let row = match row {
                FetchedRow::Present(value) => {
                    let row = pomost_rows::read_row(flow, value, order, variables);
                    self.count(&row);
                    row
                }
                FetchedRow::Gone(value) if flow.load.deletes() => {
                    pomost_rows::read_gone_row(flow, value, order, variables)
                }
                FetchedRow::Gone(_) => continue,
                FetchedRow::Refused(value, error) => Err(pomost_rows::refuse_listed_row(
                    flow, &value, order, error, variables,
                )),
            };
            self.add(row).await?;
        }
        Ok(())
    }

    /// Adds one row, and puts the rows that wait once they are enough. When that is depends on the
    /// rows alone and not on how they arrive, so that a page that is read again makes the same
    /// batches.
    pub(super) async fn add(
        &mut self,
        row: Result<ExtractedRow, Box<RefusedRow>>,
    ) -> Result<(), Error> {
        self.rows += 1;
        let record = row.and_then(|row| self.advance_cursor(row));
        if self.context.flow().extract.sweep.is_some() {
            self.note_key(&record);
        }
        self.waiting_bytes += record.as_ref().map_or(0, |record| record.data.get().len());
        self.waiting.push(record);
        let is_full = self.waiting.len() >= BATCHES_AT_A_TIME * self.context.flow().batch_size;
        if is_full || self.waiting_bytes >= MAX_WAITING_BYTES {
            self.put_waiting().await?;
            self.record_keys().await?;
        }
        Ok(())
    }

    /// Notes the sync token of an answer; the last one of a run counts.
    pub(super) fn note_token(&mut self, token: Option<SyncToken>, is_expected: bool) {
        self.checkpoint.expects_token |= is_expected;
        let Some(SyncToken { token, is_text }) = token else {
            return;
        };
        self.checkpoint.sync_token = Some(token);
        self.checkpoint.reached_is_text = Some(is_text);
    }

    /// Puts the rows that are left, records the page, and returns the checkpoint at `next`.
    pub(super) async fn finish(mut self, next: Option<RunPosition>) -> Result<Checkpoint, Error> {
        self.put_waiting().await?;
        let end = Checkpoint {
            position: next,
            pages: self.checkpoint.pages + 1,
            rows: self.checkpoint.rows + self.rows,
            ..std::mem::take(&mut self.checkpoint)
        };
        self.record(&end, self.rows).await?;
        Ok(end)
    }

    /// Records the keys of a sweep in the midst of a page if many wait, so that a page of any
    /// length is read in bounded memory. The run's checkpoint stays before the page.
    async fn record_keys(&mut self) -> Result<(), Error> {
        let UnrecordedProgress {
            listed, forgotten, ..
        } = &self.unrecorded;
        if listed.len() + forgotten.len() < MAX_WAITING_KEYS {
            return Ok(());
        }
        self.record(self.start, 0).await
    }

    async fn record(&mut self, checkpoint: &Checkpoint, rows: u64) -> Result<(), Error> {
        let UnrecordedProgress {
            batches,
            listed,
            forgotten,
        } = std::mem::take(&mut self.unrecorded);
        let progress = PageProgress {
            run: self.context.run.id,
            batches,
            checkpoint: serde_json::json!(checkpoint),
            listed_keys: listed,
            deleted_keys: forgotten,
        };
        self.context.sink.record_progress(&progress, rows).await
    }

    /// Notes the key of a row for the sweep. The source also lists a row that is refused, as far as
    /// its key can be read.
    fn note_key(&mut self, row: &Result<Record, Box<RefusedRow>>) {
        let UnrecordedProgress {
            listed, forgotten, ..
        } = &mut self.unrecorded;
        match row {
            Ok(record) if record.op == Operation::Delete => forgotten.push(record.key.clone()),
            Ok(record) => listed.push(record.key.clone()),
            Err(refused) if refused.record.key.is_empty() => {}
            Err(refused) => listed.push(refused.record.key.clone()),
        }
    }

    fn count(&mut self, row: &Result<ExtractedRow, Box<RefusedRow>>) {
        match row.as_ref().map(|row| &row.cursor) {
            Ok(Some(_)) => self.checkpoint.rows_with_cursor += 1,
            Ok(None) => self.checkpoint.rows_without_cursor += 1,
            Err(_) => {}
        }
    }

    fn advance_cursor(&mut self, row: ExtractedRow) -> Result<Record, Box<RefusedRow>> {
        let ExtractedRow { record, cursor } = row;
        if self.checkpoint.advance(cursor, self.context.clock()) {
            return Ok(record);
        }
        let error = "extract.cursor.value found another type of value than in the rows before: times, numbers and \
                     text have no common order";
        Err(Box::new(RefusedRow {
            record,
            diagnosis: Diagnosis::invalid(error),
        }))
    }

    async fn put_waiting(&mut self) -> Result<(), Error> {
        self.waiting_bytes = 0;
        let (mut batches, mut letters) = (Vec::new(), Vec::new());
        let mut waiting = std::mem::take(&mut self.waiting).into_iter().peekable();
        while waiting.peek().is_some() {
            let rows = waiting.by_ref().take(self.context.flow().batch_size);
            let batch = self.batch(rows, &mut letters);
            let size = (batch.id.to_string(), batch.size);
            self.unrecorded.batches.push(size);
            self.batches += 1;
            batches.push(batch);
        }
        // A batch of refused rows alone makes no message, but its slots count: its letters settle
        // them.
        let with_records: Vec<&Batch> = batches
            .iter()
            .filter(|batch| !batch.records.is_empty())
            .collect();
        self.context.sink.put(&with_records, &letters).await
    }

    /// Makes a batch of rows, in which each row has a slot; dead letters of the refused ones are
    /// added to `letters`.
    fn batch(
        &self,
        rows: impl Iterator<Item = Result<Record, Box<RefusedRow>>>,
        letters: &mut Vec<DeadLetter>,
    ) -> Batch {
        let run = self.context.run;
        let id = BatchId::of_page(self.checkpoint.pages, self.batches);
        let mut batch = Batch {
            lane: self.context.lane,
            ..Batch::new(run.flow.clone(), run.id, id, Vec::new())
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
        let under = || Some(self.context.flow().into());
        let letter = |(record, diagnosis)| {
            dead_letters::of_record(under(), &batch, record, Stage::Extract, diagnosis)
        };
        letters.extend(refused.into_iter().map(letter));
        batch
    }
}
