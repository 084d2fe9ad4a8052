//! What came of a batch: what is settled, what comes again, what is dead.

use std::{collections::BTreeMap, time::Duration};

use pomost_broker::{Queue, Route};
use pomost_expression::{Value, read};
use pomost_http::Failure;
use pomost_models::{
    Batch, DeadLetter, Outcome, Outcomes, Reason, Record, Stage,
    retry::{delay_of_at_least, growing_delay},
};
use pomost_project::Flow;
use pomost_runtime::{
    dead::{self, Diagnosis},
    metrics,
};
use pomost_store::{Answer, ClaimEntry, ClaimToken, Settled, SettledEntry, Settlement};
use tracing::{info, warn};

use crate::act::End;

/// The delay for a record that somebody else holds, in seconds.
const SHORTLY: u32 = 1;

/// The longest delay for a destination that is not ready, as a number of tries: level 30 s.
const LONGEST_WAIT: u32 = 3;

/// What came of a batch.
pub struct Tally<'a> {
    flow: &'a Flow,
    batch: Batch,
    settlement: Settlement,
    counts: BTreeMap<Outcome, u64>,
    again: BTreeMap<Again, Vec<Record>>,
    letters: Vec<DeadLetter>,
    troubles: BTreeMap<&'static str, (u64, String)>,
}

/// When and as what records come again; those that share it share a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Again {
    delay: u32,
    attempt: u32,
    waits: u32,
}

impl<'a> Tally<'a> {
    /// An empty tally of a batch whose records were taken out.
    pub fn new(flow: &'a Flow, batch: Batch, token: ClaimToken) -> Tally<'a> {
        let settlement = Settlement {
            flow: batch.flow.clone(),
            token,
            entries: Vec::new(),
            run: batch.run,
            batch: batch.id.clone(),
            outcomes: Outcomes::waiting(batch.size),
        };
        let (counts, again, troubles) = Default::default();
        Tally { flow, batch, settlement, counts, again, letters: Vec::new(), troubles }
    }

    /// Adds a record that a newer one in the same batch replaces.
    pub fn superseded(&mut self, record: Record) {
        self.count(&record, Outcome::Stale);
    }

    /// Adds a record, what the ledger answered for it and how acting on it ended.
    pub fn add(&mut self, record: Record, entry: ClaimEntry, answer: &Answer, end: End) {
        let held = matches!(answer, Answer::Act { .. } | Answer::Unknown { .. });
        let applied = |id| Settled::Applied { id, version: entry.version.clone(), hash: entry.hash };
        let settled = match end {
            End::Left(outcome) => {
                self.count(&record, outcome);
                applied(None)
            }
            End::Applied { outcome, id } => {
                self.count(&record, outcome);
                applied(id)
            }
            End::NotNow => {
                self.come_again(record, Again { delay: SHORTLY, ..self.as_it_came() });
                Settled::Released
            }
            End::InDoubt => {
                self.bury_in_doubt(record);
                Settled::InDoubt
            }
            End::Failed { failure, in_doubt } => {
                self.fail(record, failure);
                if in_doubt { Settled::InDoubt } else { Settled::Released }
            }
        };
        if held {
            self.settlement.entries.push(SettledEntry { key: entry.key, settled });
        }
    }

    /// The batches that come again, and by which delay.
    pub fn coming_again(&self) -> Vec<(Route, Batch)> {
        let queue = Queue::work(Stage::Load, &self.batch.flow);
        let batch = |(again, records): (&Again, &Vec<Record>)| {
            let batch = self.batch.with_records(records.clone());
            let route = Route::delayed(queue.clone(), again.delay);
            (route, Batch { attempt: again.attempt, waits: again.waits, ..batch })
        };
        self.again.iter().map(batch).collect()
    }

    /// The records that are given up.
    pub fn letters(&self) -> &[DeadLetter] {
        &self.letters
    }

    /// What the store is to write. Dead letters count when they are archived.
    pub fn settlement(&self) -> &Settlement {
        &self.settlement
    }

    /// Counts the outcomes and says once what kinds of failure there were.
    pub fn report(&self) {
        for (&outcome, &records) in &self.counts {
            metrics::count_settled(&self.batch.flow, Stage::Load, outcome, records);
        }
        for (class, (records, example)) in &self.troubles {
            warn!(class, records, example, "requests failed");
        }
        if !self.letters.is_empty() {
            info!(records = self.letters.len(), "records became dead letters; see `pomost dead list`");
        }
    }

    /// Failures of the system cost no attempt and wait; others come again until the attempts are
    /// used up, or are given up at once.
    fn fail(&mut self, record: Record, failure: Failure) {
        self.note_trouble(&failure);
        let came = self.as_it_came();
        if failure.class.is_of_the_system() {
            let delay = delay(came.waits + 1, LONGEST_WAIT, failure.retry_after);
            self.come_again(record, Again { delay, waits: came.waits + 1, ..came });
        } else if failure.class.leaves_doubt() && came.attempt + 1 < self.flow.load.attempts {
            let delay = delay(came.attempt + 1, u32::MAX, failure.retry_after);
            self.come_again(record, Again { delay, attempt: came.attempt + 1, ..came });
        } else {
            let reason = if failure.class.leaves_doubt() { Reason::Transient } else { Reason::Invalid };
            self.bury(record, reason, &failure);
        }
    }

    fn bury(&mut self, record: Record, reason: Reason, failure: &Failure) {
        let answer = match failure.answer.is_empty() {
            true => String::new(),
            false => format!(": {}", self.masked(&record, &failure.answer)),
        };
        let error = format!("{}{answer}", failure.message);
        self.letters.push(dead::letter(
            &self.batch,
            record,
            Stage::Load,
            Diagnosis { reason, error, pointer: None },
        ));
    }

    fn bury_in_doubt(&mut self, record: Record) {
        let error = "an earlier create may have taken place, and the flow has neither load.lookup nor \
                     load.create.idempotency_header to find out; look at the destination, then replay it with \
                     --absent or --present, or discard it";
        let diagnosis = Diagnosis { reason: Reason::InDoubt, error: error.into(), pointer: None };
        self.letters.push(dead::letter(&self.batch, record, Stage::Load, diagnosis));
    }

    /// The answer without the sensitive values of the record, mapped and as it was extracted.
    fn masked(&self, record: &Record, text: &str) -> String {
        let value = |json: &str| read(json.as_bytes()).unwrap_or(Value::Null);
        let text = self.flow.mask(&value(record.data.get()), text);
        self.flow.mask(&value(record.extracted().get()), &text)
    }

    fn note_trouble(&mut self, failure: &Failure) {
        let message = || (0, failure.message.clone());
        self.troubles.entry(failure.class.as_str()).or_insert_with(message).0 += 1;
    }

    fn count(&mut self, record: &Record, outcome: Outcome) {
        self.settlement.outcomes.settle(record.slot, outcome);
        *self.counts.entry(outcome).or_default() += 1;
    }

    fn come_again(&mut self, record: Record, again: Again) {
        self.again.entry(again).or_default().push(record);
    }

    fn as_it_came(&self) -> Again {
        Again { delay: 0, attempt: self.batch.attempt, waits: self.batch.waits }
    }
}

/// What the server asked for, or a delay that grows with the tries.
fn delay(tries: u32, longest: u32, asked: Option<Duration>) -> u32 {
    asked.map_or_else(|| growing_delay(tries.min(longest)), delay_of_at_least)
}
