//! The records that bisecting finds, and its number of attempts.
#![allow(clippy::unwrap_used)]

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use pomost_http::{CircuitBreaker, SendPermit};
use pomost_models::{Batch, Lane, Operation, Record, RunId, Version};
use pomost_project::{Flow, Project, environment::Environment};
use pomost_store::{ClaimResult, KnownRecord};
use serde_json::value::RawValue;

use super::*;
use crate::{
    apply::record::RecordApply,
    claims::{ClaimedRecord, claim_entry},
    destinations::{Destination, PlannedWrite, WriteReceipt},
};

/// Takes items that are all good, and none of those that come with a bad one.
#[derive(Default)]
struct PickyWriter {
    bad: HashSet<usize>,
    /// The items that were taken at each attempt.
    attempts: Mutex<Vec<Vec<usize>>>,
}

struct PlannedAttempt<'a> {
    writer: &'a PickyWriter,
    items: Vec<usize>,
}

impl DestinationWriter for PickyWriter {
    fn plan<'a>(
        &'a self,
        _: RecordAction,
        items: &'a [WriteItem<'a>],
    ) -> Result<Box<dyn PlannedWrite + 'a>, Failure> {
        let number = |item: &WriteItem<'_>| item.id.unwrap().parse().unwrap();
        Ok(Box::new(PlannedAttempt {
            writer: self,
            items: items.iter().map(number).collect(),
        }))
    }

    fn bulk_size(&self, _: RecordAction) -> Option<usize> {
        Some(usize::MAX)
    }

    fn concurrency(&self) -> usize {
        1
    }

    fn breaker(&self) -> Option<&CircuitBreaker> {
        None
    }
}

impl std::fmt::Display for PlannedAttempt<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.items)
    }
}

#[async_trait]
impl PlannedWrite for PlannedAttempt<'_> {
    async fn perform(self: Box<Self>) -> Result<Vec<WriteResult>, Failure> {
        let is_refused = self.items.iter().any(|item| self.writer.bad.contains(item));
        let taken = if is_refused { Vec::new() } else { self.items };
        let results = taken.iter().map(|_| Ok(WriteReceipt::default())).collect();
        self.writer.attempts.lock().unwrap().push(taken);
        match is_refused {
            true => Err(Failure::new(FailureClass::Invalid, "it is bad".to_owned())),
            false => Ok(results),
        }
    }
}

impl PickyWriter {
    /// Writes `count` items; returns for each if it was done.
    async fn write_all(&self, flow: Arc<Flow>, count: usize) -> Vec<bool> {
        let destination = Destination::by_key(flow, Arc::new(PickyWriter::default()));
        let (batch, record) = (batch(), record());
        let entry = claim_entry(&record, None);
        let result = ClaimResult::Claimed(KnownRecord::default());
        let claimed = ClaimedRecord::new(record, entry, result);
        let (apply, _) = RecordApply::begin(&destination, &batch, &claimed, SendPermit::default());
        let ids: Vec<String> = (0..count).map(|item| item.to_string()).collect();
        let items: Vec<WriteItem<'_>> = ids.iter().map(|id| apply.item(Some(id))).collect();
        let bisection = BulkBisection {
            writer: self,
            action: RecordAction::Update,
        };
        let results = bisection.write(&items).await;
        results
            .into_iter()
            .map(|result| matches!(result, Some(Ok(_))))
            .collect()
    }
}

fn flow() -> Arc<Flow> {
    let directory = tempfile::tempdir().unwrap();
    pomost_project::init(directory.path()).unwrap();
    let project =
        Project::load(directory.path(), &Environment::of_process(directory.path())).unwrap();
    project.flows["customers"].clone()
}

fn batch() -> Batch {
    let (flow, run, id) = ("customers".to_owned(), RunId::generate(), "0.0".to_owned());
    Batch {
        flow,
        run,
        id: id.into(),
        size: 1,
        attempt: 0,
        waits: 0,
        lane: Lane::Live,
        records: Vec::new(),
    }
}

fn record() -> Record {
    let data = RawValue::from_string("{}".to_owned()).unwrap();
    Record {
        slot: 0,
        key: "a".to_owned(),
        version: Version::new("1"),
        op: Operation::Upsert,
        data,
        source: None,
    }
}

/// Chance says which rows are bad: the number of rows is its seed.
#[tokio::test]
async fn every_good_row_is_written_once_and_every_bad_one_found_in_few_attempts() {
    let flow = flow();
    for count in 1..=200 {
        let mut chance = fastrand::Rng::with_seed(count as u64);
        for bad in [0, 1, 2, chance.usize(0..=count), count] {
            let bad: HashSet<usize> = chance.choose_multiple(0..count, bad).into_iter().collect();
            check(&flow, count, bad).await;
        }
    }
}

async fn check(flow: &Arc<Flow>, count: usize, bad: HashSet<usize>) {
    let picky = PickyWriter {
        bad,
        ..PickyWriter::default()
    };
    let done = picky.write_all(flow.clone(), count).await;
    let (bad, attempts) = (picky.bad, picky.attempts.into_inner().unwrap());
    let good: Vec<usize> = (0..count).filter(|row| !bad.contains(row)).collect();
    assert_eq!(
        (0..count)
            .map(|row| !bad.contains(&row))
            .collect::<Vec<_>>(),
        done,
        "{count}: {bad:?}"
    );
    assert_eq!(attempts.concat(), good, "{count}: {bad:?}");
    let most = 2.0 * bad.len() as f64 * (count as f64).log2();
    assert!(
        (attempts.len() - 1) as f64 <= most,
        "{count}: {bad:?} took {}",
        attempts.len()
    );
}
