//! Asking a source about one record that it told.

use pomost_expression::{Value, Variables, read};
use pomost_http::{Failure, SendPermit};
use pomost_models::{Batch, DeadLetterReason, Record, Version};
use pomost_project::flow::FetchRequest;
use pomost_runtime::dead_letters::Diagnosis;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::{
    extraction::Source,
    fetch::Row,
    rows::{self, Reading},
    webhook,
};

/// Asks a source about the records of a batch that it told.
pub(crate) struct Asking<'a> {
    source: &'a Source,
    reading: Reading<'a>,
    /// None where the flow does not ask any more: then the rows are as they were told.
    fetch: Option<&'a FetchRequest>,
    variables: Variables,
    permit: SendPermit<'a>,
}

/// What came of asking about a record.
pub(crate) enum End {
    /// This is what the source has.
    Record(Record),
    /// The source does not have it, and the flow has no deletions.
    LeftOut,
    /// It is no record of the flow; what there is of it, and why.
    Refused(Record, Diagnosis),
    /// The source could not say.
    Failed(Failure),
    /// There was no time for it.
    NotNow,
}

impl<'a> Asking<'a> {
    /// About the records of this batch, as long as that is permitted.
    pub(crate) fn about(source: &'a Source, batch: &Batch, permit: SendPermit<'a>) -> Asking<'a> {
        let flow = &*source.flow;
        let variables = flow.run_variables(batch.run);
        let (reading, fetch) = (
            Reading::of_batch(flow, &batch.id),
            webhook::fetch_of(flow, &batch.id),
        );
        Asking {
            source,
            reading,
            fetch,
            variables,
            permit,
        }
    }

    /// Asks about a record. What the source has is as new as the moment before it was asked: whatever was told
    /// until then is in it, and whoever is asked later has no less.
    pub(crate) async fn end(&self, told: &Record) -> End {
        if !self.permit.holds() {
            return End::NotNow;
        }
        let (row, headers) = match (value(told.extracted()), value(&told.data)) {
            (Ok(row), Ok(headers)) => (row, headers),
            (Err(error), _) | (_, Err(error)) => return refused(told.clone(), error),
        };
        let variables = Variables {
            headers,
            ..self.variables.clone()
        };
        let order = Version::of_extraction(Uuid::now_v7(), told.slot as usize);
        let row = match self.fetch {
            None => Ok(Row::There(row)),
            Some(fetch) => {
                self.source
                    .fetch(fetch, &row, &variables, self.permit)
                    .await
            }
        };
        match row {
            Ok(row) => self.read(told, row, order, &variables),
            Err(failure) if failure.not_sent && !self.permit.holds() => End::NotNow,
            Err(failure) => End::Failed(failure),
        }
    }

    fn read(&self, told: &Record, row: Row, order: Version, variables: &Variables) -> End {
        let row = match row {
            Row::There(value) => rows::row(self.reading, value, order, variables),
            Row::Gone(value) if self.source.flow.load.deletes() => {
                rows::gone(self.reading, value, order, variables)
            }
            Row::Gone(_) => return End::LeftOut,
            Row::Refused(_, error) => return refused(told.clone(), error),
        };
        match row {
            Ok(row) => End::Record(Record {
                slot: told.slot,
                ..row.record
            }),
            // A message that comes again is to make the same letter, which is known by its version.
            Err(refused) => {
                let (slot, version) = (told.slot, told.version.clone());
                End::Refused(
                    Record {
                        slot,
                        version,
                        ..refused.record
                    },
                    refused.diagnosis,
                )
            }
        }
    }
}

impl End {
    /// How many bytes of JSON are held for it.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            End::Record(record) | End::Refused(record, _) => record.bytes(),
            End::LeftOut | End::Failed(_) | End::NotNow => 0,
        }
    }
}

fn value(json: &RawValue) -> Result<Value, String> {
    read(json.get().as_bytes()).map_err(|error| format!("what was told cannot be read: {error}"))
}

fn refused(told: Record, error: String) -> End {
    End::Refused(
        told,
        Diagnosis {
            reason: DeadLetterReason::Invalid,
            error,
            pointer: None,
        },
    )
}
