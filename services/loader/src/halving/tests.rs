//! What halving finds, and in how many attempts.
#![allow(clippy::unwrap_used)]

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use pomost_http::SendPermit;
use pomost_models::{Batch, Operation, Record, RunId, Version};
use pomost_project::{Flow, Project, environment::Environment};
use pomost_store::{ClaimResult, KnownRecord};
use serde_json::value::RawValue;

use super::*;
use crate::destination::Destination;

/// Takes rows that are all good, and none of those that come with a bad one.
#[derive(Default)]
struct Picky {
    bad: HashSet<usize>,
    /// What was taken at each attempt.
    attempts: Mutex<Vec<Vec<usize>>>,
}

#[async_trait]
impl Many for Picky {
    fn takes(&self, _: Kind) -> Option<usize> {
        Some(usize::MAX)
    }

    async fn write(&self, _: Kind, rows: &[Row<'_>]) -> Result<Vec<Written>, Failure> {
        let rows: Vec<usize> = rows
            .iter()
            .map(|row| row.id.unwrap().parse().unwrap())
            .collect();
        let is_refused = rows.iter().any(|row| self.bad.contains(row));
        let taken = if is_refused { Vec::new() } else { rows };
        let written = taken.iter().map(|_| Written::Done(None)).collect();
        self.attempts.lock().unwrap().push(taken);
        if is_refused {
            Err(Failure::new(FailureClass::Invalid, "it is bad".to_owned()))
        } else {
            Ok(written)
        }
    }
}

impl Picky {
    /// Writes `count` rows; returns whether each was done.
    async fn write_all(&self, flow: Arc<Flow>, count: usize) -> Vec<bool> {
        let destination = Destination::by_key(flow, std::sync::Arc::new(Picky::default()), 1);
        let (batch, record, answer) = (
            batch(),
            record(),
            ClaimResult::Claimed(KnownRecord::default()),
        );
        let (act, _) = destination.begin(&batch, &record, &[0; 16], &answer, SendPermit::default());
        let ids: Vec<String> = (0..count).map(|row| row.to_string()).collect();
        let rows: Vec<Row<'_>> = ids
            .iter()
            .map(|id| Row {
                act: &act,
                id: Some(id),
            })
            .collect();
        let halving = Halving {
            many: self,
            kind: Kind::Update,
        };
        halving
            .write(&rows)
            .await
            .into_iter()
            .map(|written| matches!(written, Written::Done(_)))
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
    Batch {
        size: 1,
        ..Batch::new("customers", RunId::generate(), "0.0", Vec::new())
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

/// Which rows are bad is chance: the number of rows is its seed.
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
    let picky = Picky {
        bad,
        ..Picky::default()
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
