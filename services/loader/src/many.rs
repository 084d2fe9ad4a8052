//! Writing many records at once.

use async_trait::async_trait;
use pomost_http::Class;
use pomost_models::{Batch, Outcome, Record};
use pomost_store::{Answer, ClaimEntry, Known, ledger::ContentHash};

use crate::{
    act::{End, Failed},
    decide::{Case, Doubt, Means, Step},
};

/// What is done to records together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// They are made.
    Create,
    /// They are changed.
    Update,
    /// They are deleted.
    Delete,
}

/// One record among those that are written together.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The record.
    pub record: &'a Record,
    /// The destination's id of it, where it is known.
    pub id: Option<&'a str>,
    /// The hash of what is applied.
    pub hash: &'a ContentHash,
}

/// What became of one of them.
#[derive(Debug)]
pub enum Verdict {
    /// The destination is as the record wants it.
    Accepted {
        /// The destination's id of it.
        id: Option<String>,
    },
    /// It was refused.
    Failed(Failed),
}

/// A destination that takes many records at once.
#[async_trait]
pub trait Many: Send + Sync {
    /// Writes records of a batch, which gives a verdict for each. An error is of all of them: one of
    /// the records may be at fault where its class is invalid, conflict or gone.
    async fn write(&self, batch: &Batch, kind: Kind, rows: &[Row<'_>]) -> Result<Vec<Verdict>, Failed>;
}

/// A destination that takes many records at once, and what it does to them.
pub struct Together {
    /// The destination.
    pub many: Box<dyn Many>,
    /// What it does to records, by their keys alone.
    pub means: Means,
}

/// A record that waits for others to be written with.
struct Waiting<'a> {
    place: usize,
    row: Row<'a>,
    known: Known,
}

impl Together {
    /// Acts on the records of a batch, as the ledger's answers allow.
    pub async fn act_on_all(
        &self,
        batch: &Batch,
        records: &[Record],
        entries: &[ClaimEntry],
        answers: &[Answer],
    ) -> Vec<End> {
        let mut ends: Vec<Option<End>> = records.iter().map(|_| None).collect();
        let mut waiting: [(Kind, Vec<Waiting<'_>>); 3] =
            [Kind::Create, Kind::Update, Kind::Delete].map(|kind| (kind, Vec::new()));
        let claimed = records.iter().zip(entries).zip(answers).enumerate();
        for (place, ((record, entry), answer)) in claimed {
            let known = answer.known().cloned().unwrap_or_default();
            let row = Row { record, id: None, hash: &entry.hash };
            let kind = match self.first(record, entry, answer) {
                Ok(kind) => kind,
                Err(end) => {
                    ends[place] = Some(end);
                    continue;
                }
            };
            let of_kind = waiting.iter_mut().find(|(other, _)| *other == kind);
            of_kind
                .into_iter()
                .for_each(|(_, waiting)| waiting.push(Waiting { place, row, known: known.clone() }));
        }
        for (kind, waiting) in &waiting {
            self.write(batch, *kind, waiting, &mut ends).await;
        }
        ends.into_iter().map(|end| end.unwrap_or(End::NotNow)).collect()
    }

    fn first(&self, record: &Record, entry: &ClaimEntry, answer: &Answer) -> Result<Kind, End> {
        let known = answer.known().cloned().unwrap_or_default();
        let (doubt, was_there) = (Doubt::of(answer, &entry.hash), known.id.is_some());
        let case = Case { key: &record.key, op: record.op, doubt, was_there, means: self.means };
        match case.first(answer) {
            Step::Create => Ok(Kind::Create),
            Step::Update(_) => Ok(Kind::Update),
            Step::Delete(_) => Ok(Kind::Delete),
            Step::Leave(outcome) => Err(End::Applied { outcome, known }),
            Step::LeaveAlone => Err(End::LeftAlone),
            _ => Err(End::NotNow),
        }
    }

    /// What is refused as a whole is halved, until those are alone that are at fault.
    async fn write(&self, batch: &Batch, kind: Kind, waiting: &[Waiting<'_>], ends: &mut [Option<End>]) {
        let mut parts = vec![waiting];
        while let Some(part) = parts.pop().filter(|part| !part.is_empty()) {
            let rows: Vec<Row<'_>> = part.iter().map(|waiting| waiting.row).collect();
            match self.many.write(batch, kind, &rows).await {
                Ok(verdicts) => {
                    for (waiting, verdict) in part.iter().zip(verdicts) {
                        ends[waiting.place] = Some(end(kind, &waiting.known, verdict));
                    }
                }
                Err(failed) if part.len() > 1 && failed.failure.class == Class::Invalid => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
                Err(failed) => {
                    for waiting in part {
                        let Failed { failure, in_doubt } = &failed;
                        let failed = Failed { failure: failure.clone(), in_doubt: *in_doubt };
                        ends[waiting.place] = Some(End::Failed(failed));
                    }
                }
            }
        }
    }
}

fn end(kind: Kind, known: &Known, verdict: Verdict) -> End {
    let outcome = match kind {
        Kind::Create => Outcome::Created,
        Kind::Update => Outcome::Updated,
        Kind::Delete => Outcome::Deleted,
    };
    let incarnation = known.incarnation + u32::from(kind == Kind::Delete);
    match verdict {
        Verdict::Accepted { id } => {
            End::Applied { outcome, known: Known { id, incarnation, ..Known::default() } }
        }
        Verdict::Failed(failed) => End::Failed(failed),
    }
}
