//! Files as the destination: one for the records that are written together.

mod content;
mod location;
mod notes;

use std::{collections::BTreeMap, fmt, io, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use pomost_http::{CircuitBreaker, Failure, FailureClass};
use pomost_models::RunId;
use pomost_project::flow::FileDestination;
use pomost_store::{RunState, RunSummary, Store};
use tokio::task::spawn_blocking;
use tracing::warn;

use super::{
    DestinationWriter, PlannedWrite, RecordAction, WriteItem, WriteReceipt, WriteResult,
    without_effect,
};
use content::FileContent;
use location::FileLocation;
use notes::record_mark;

/// The number of files that a flow writes at a time.
const CONCURRENCY: usize = 4;

/// The shortest time that notes are kept. A batch can reach a loader a little before the store
/// counts it into its run, which looks settled until then.
const NOTE_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// Writes files. A file appears whole, under a name made of its flow, run, batch and content, and
/// is never changed: records of the batch that come later go into another file, and records that
/// come again into none.
pub(super) struct FileWriter {
    flow: String,
    files: Arc<FileDestination>,
    breaker: CircuitBreaker,
}

impl FileWriter {
    pub(super) fn new(
        flow: &str,
        files: Arc<FileDestination>,
        breaker: CircuitBreaker,
    ) -> FileWriter {
        FileWriter {
            flow: flow.to_owned(),
            files,
            breaker,
        }
    }
}

#[async_trait]
impl DestinationWriter for FileWriter {
    fn plan<'a>(
        &'a self,
        _: RecordAction,
        items: &'a [WriteItem<'a>],
    ) -> Result<Box<dyn PlannedWrite + 'a>, Failure> {
        let first = items.first().ok_or_else(no_items)?;
        let records = items.iter().map(|item| &item.claimed.record);
        let file = RecordFile {
            location: FileLocation::of(&self.files, first.batch),
            content: FileContent::new(self.files.format.clone()),
            rows: records
                .map(|record| (record_mark(record), record.data.get().to_owned()))
                .collect(),
        };
        Ok(Box::new(PlannedFile { writer: self, file }))
    }

    fn bulk_size(&self, _: RecordAction) -> Option<usize> {
        Some(usize::MAX)
    }

    fn concurrency(&self) -> usize {
        CONCURRENCY
    }

    fn breaker(&self) -> Option<&CircuitBreaker> {
        Some(&self.breaker)
    }

    async fn clean_up(&self, store: &dyn Store) {
        if let Err(error) = self.delete_notes(store, NOTE_RETENTION).await {
            warn!(flow = self.flow, %error, "old notes of files were not deleted; trying again later");
        }
    }
}

impl FileWriter {
    /// Deletes the notes that are older than `retention` and whose runs have settled. Records of
    /// such a run can come again, but the ledger knows them then, so that they reach no
    /// destination.
    async fn delete_notes(&self, store: &dyn Store, retention: Duration) -> anyhow::Result<()> {
        let (directory, flow) = (self.files.directory.clone(), self.flow.clone());
        let notes: BTreeMap<RunId, Vec<PathBuf>> =
            spawn_blocking(move || notes::older_than(&directory, &flow, retention)).await??;
        for (run, directories) in notes {
            let summary = store.run(run).await?;
            if summary.as_ref().is_some_and(has_settled) {
                spawn_blocking(move || notes::delete(&directories)).await??;
            }
        }
        Ok(())
    }

    /// A disk that is full or not writable is waited for. If the file is there all the same, its
    /// note says so when the records come again.
    fn unwritable(&self, error: &io::Error) -> Failure {
        let message = format!("the directory {}: {error}", self.files.directory.display());
        Failure::new(FailureClass::Throttled, message)
    }
}

fn has_settled(run: &RunSummary) -> bool {
    matches!(run.state, RunState::Settled | RunState::Failed) && run.counts.waiting == 0
}

/// A write is of one item at least: without one there is no batch to name a file after.
fn no_items() -> Failure {
    let message = "there are no records to write".to_owned();
    Failure::new(FailureClass::Invalid, message)
}

/// A file that was planned.
struct PlannedFile<'a> {
    writer: &'a FileWriter,
    file: RecordFile,
}

impl fmt::Display for PlannedFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.file.location)?;
        (self.file.rows.iter()).try_for_each(|(_, data)| writeln!(f, "{data}"))
    }
}

#[async_trait]
impl PlannedWrite for PlannedFile<'_> {
    async fn perform(self: Box<Self>) -> Result<Vec<WriteResult>, Failure> {
        let PlannedFile { writer, file } = *self;
        let write = async {
            let written = spawn_blocking(move || file.write()).await;
            written
                .map_err(io::Error::other)
                .flatten()
                .map_err(|error| writer.unwritable(&error))
        };
        let place = || format!("the directory {}", writer.files.directory.display());
        let refusals = writer.breaker.admit(place, || None, write).await?;
        Ok(refusals.into_iter().map(write_result).collect())
    }
}

fn write_result(refusal: Option<String>) -> WriteResult {
    match refusal {
        None => Ok(WriteReceipt::default()),
        Some(message) => Err(without_effect(Failure::new(FailureClass::Invalid, message))),
    }
}

/// The records of a file, each with its mark and its data.
struct RecordFile {
    location: FileLocation,
    content: FileContent,
    rows: Vec<(String, String)>,
}

impl RecordFile {
    /// Writes the records that are in no file yet; returns for each record the reason why it cannot
    /// be written, if there is one.
    fn write(self) -> io::Result<Vec<Option<String>>> {
        self.location.create_directory()?;
        let written = self.location.written_marks()?;
        let is_new = |(_, (mark, _)): &(usize, &(String, String))| !written.contains(mark);
        let rows = self.rows.iter().enumerate().filter(is_new);
        let rows = rows.map(|(position, (_, data))| (position, data.as_str()));
        let encoded = self.content.encode(rows);
        let marks: Vec<&str> = (encoded.positions.iter())
            .map(|position| self.rows[*position].0.as_str())
            .collect();
        if !marks.is_empty() {
            self.location.write(&marks, &encoded.bytes)?;
        }
        let mut refusals = vec![None; self.rows.len()];
        for (position, refusal) in encoded.refusals {
            refusals[position] = Some(refusal);
        }
        Ok(refusals)
    }
}

#[cfg(test)]
mod tests;
