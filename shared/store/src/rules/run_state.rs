//! The progress of a run.

use crate::{OutcomeCounts, RunState};

/// The state of a run by what was recorded of it.
pub(crate) fn run_state(
    has_begun: bool,
    has_ended: bool,
    has_failed: bool,
    counts: &OutcomeCounts,
) -> RunState {
    match (has_failed, has_ended, has_begun) {
        (true, ..) => RunState::Failed,
        (_, true, _) if counts.waiting == 0 => RunState::Settled,
        (_, true, _) => RunState::Settling,
        (_, _, true) => RunState::Extracting,
        _ => RunState::Requested,
    }
}
