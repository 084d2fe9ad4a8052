//! The fetch of one record that the source delivered.

use pomost_expression::{Value, Variables, read};
use pomost_http::{Failure, SendPermit};
use pomost_models::{Batch, Diagnosis, Record, Version};
use pomost_project::flow::FetchRequest;
use pomost_rows::RowRules;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::source::{Source, row_fetch::FetchedRow};

/// Fetches the records of one delivered batch from their source.
pub(super) struct RecordFetch<'a> {
    source: &'a Source,
    rules: RowRules<'a>,
    /// `None` if the flow does not fetch any more: then the rows are taken as they were delivered.
    fetch: Option<&'a FetchRequest>,
    variables: Variables,
    permit: SendPermit<'a>,
}

/// The outcome of asking about a record.
pub(super) enum FetchOutcome {
    /// The record as the source has it.
    Record(Record),
    /// The source does not have the record, and the flow loads no deletions.
    Filtered,
    /// The answer is no record of the flow: what there is of it, and the reason.
    Refused(Record, Diagnosis),
    /// The source did not answer.
    Failed(Failure),
    /// The permit ended before the source was asked.
    NotAsked,
}

impl<'a> RecordFetch<'a> {
    pub(super) fn new(
        source: &'a Source,
        batch: &Batch,
        permit: SendPermit<'a>,
    ) -> RecordFetch<'a> {
        let variables = source.flow.run_variables(batch.run);
        RecordFetch {
            source,
            rules: RowRules::of_batch(&source.flow, &batch.id),
            fetch: pomost_rows::fetch_of(&source.flow, &batch.id),
            variables,
            permit,
        }
    }

    /// Fetches a record. The answer is as new as the moment before the request: it has every change
    /// that was delivered until then, and a later answer has no less.
    pub(super) async fn fetch(&self, delivered: &Record) -> FetchOutcome {
        if !self.permit.holds() {
            return FetchOutcome::NotAsked;
        }
        let (row, headers) = match (value(delivered.extracted()), value(&delivered.data)) {
            (Ok(row), Ok(headers)) => (row, headers),
            (Err(error), _) | (_, Err(error)) => return refused(delivered, error),
        };
        let variables = Variables {
            headers,
            ..self.variables.clone()
        };
        let order = Version::of_extraction(Uuid::now_v7(), delivered.slot as usize);
        let row = match self.fetch {
            None => Ok(FetchedRow::Present(row)),
            Some(fetch) => {
                self.source
                    .fetch_row(fetch, &row, &variables, self.permit)
                    .await
            }
        };
        match row {
            Ok(row) => self.read(delivered, row, order, &variables),
            Err(failure) if failure.not_sent && !self.permit.holds() => FetchOutcome::NotAsked,
            Err(failure) => FetchOutcome::Failed(failure),
        }
    }

    fn read(
        &self,
        delivered: &Record,
        row: FetchedRow,
        order: Version,
        variables: &Variables,
    ) -> FetchOutcome {
        let row = match row {
            FetchedRow::Present(value) => {
                pomost_rows::read_row(self.rules, value, order, variables)
            }
            FetchedRow::Gone(value) if self.source.flow.load.deletes() => {
                pomost_rows::read_gone_row(self.rules, value, order, variables)
            }
            FetchedRow::Gone(_) => return FetchOutcome::Filtered,
            FetchedRow::Refused(_, error) => return refused(delivered, error),
        };
        let slot = delivered.slot;
        match row {
            Ok(row) => FetchOutcome::Record(Record { slot, ..row.record }),
            Err(refused) => {
                // A message that is redelivered must make the same letter, which is known by its
                // version.
                let version = delivered.version.clone();
                let record = Record {
                    slot,
                    version,
                    ..refused.record
                };
                FetchOutcome::Refused(record, refused.diagnosis)
            }
        }
    }
}

impl FetchOutcome {
    /// Number of bytes of JSON in it.
    pub(super) fn bytes(&self) -> usize {
        match self {
            FetchOutcome::Record(record) | FetchOutcome::Refused(record, _) => record.bytes(),
            FetchOutcome::Filtered | FetchOutcome::Failed(_) | FetchOutcome::NotAsked => 0,
        }
    }
}

fn value(json: &RawValue) -> Result<Value, String> {
    read(json.get().as_bytes())
        .map_err(|error| format!("the delivered row cannot be read: {error}"))
}

fn refused(delivered: &Record, error: String) -> FetchOutcome {
    FetchOutcome::Refused(delivered.clone(), Diagnosis::invalid(error))
}
