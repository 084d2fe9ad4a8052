//! The batches of a replay.

use pomost_extractor::webhook;
use pomost_models::{Batch, DeadLetter, Lane, Record, batch::REPLAYS};
use pomost_store::Replay;

/// Records of one kind share batches: the ids of their batches say how their rows are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BatchKind {
    /// True for rows that a source delivered to a webhook: they are read as deliveries are.
    is_delivered: bool,
    /// True for rows that a source delivered and has yet to be asked about.
    pub(super) is_told: bool,
}

impl BatchKind {
    pub(super) fn of(letter: &DeadLetter, record: &Record) -> BatchKind {
        BatchKind {
            is_delivered: letter.batch.starts_with(webhook::BATCHES),
            is_told: record.is_told(letter.stage),
        }
    }

    /// The beginning of the ids of its batches.
    fn id_prefix(self) -> String {
        let delivered = self.is_delivered.then_some(webhook::BATCHES);
        let told = self.is_told.then_some("told.");
        delivered.into_iter().chain(told).collect()
    }
}

/// Makes batches of at most `size` records. The same records give the same batches, however often this is done.
pub(super) fn of(replay: &Replay, kind: BatchKind, records: &[Record], size: usize) -> Vec<Batch> {
    let prefix = kind.id_prefix();
    let batch = |(number, records): (usize, &[Record])| {
        let in_slot = |(slot, record): (u32, &Record)| Record {
            slot,
            ..record.clone()
        };
        let records: Vec<Record> = (0..).zip(records).map(in_slot).collect();
        Batch {
            flow: replay.flow.clone(),
            run: replay.run,
            id: format!("{prefix}{REPLAYS}{number}"),
            size: u32::try_from(records.len()).unwrap_or(u32::MAX),
            attempt: 0,
            waits: 0,
            lane: Lane::Live,
            records,
        }
    };
    records.chunks(size).enumerate().map(batch).collect()
}
