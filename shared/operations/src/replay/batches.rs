//! The batches of a replay.

use pomost_models::{Batch, BatchId, DeadLetter, Record, batch_id::ReplayOrigin};
use pomost_store::Replay;

/// Returns the origin of a letter's record. Records of one origin share batches: the ids of their
/// batches say how their rows are read.
pub(super) fn origin(letter: &DeadLetter, record: &Record) -> ReplayOrigin {
    ReplayOrigin {
        webhook: letter.batch.is_of_webhook(),
        awaits_fetch: record.awaits_fetch(letter.stage),
    }
}

/// Makes batches of at most `size` records. The same records give the same batches, however often
/// this is done.
pub(super) fn of(
    replay: &Replay,
    origin: ReplayOrigin,
    records: &[Record],
    size: usize,
) -> Vec<Batch> {
    let batch = |(number, records): (usize, &[Record])| {
        let in_slot = |(slot, record): (u32, &Record)| Record {
            slot,
            ..record.clone()
        };
        let records = (0..).zip(records).map(in_slot).collect();
        let id = BatchId::of_replay(origin, number);
        Batch::new(replay.flow.clone(), replay.run, id, records)
    };
    records.chunks(size).enumerate().map(batch).collect()
}
