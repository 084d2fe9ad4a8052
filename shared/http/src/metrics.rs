//! The metrics of systems: their names, and the functions that set them.

use metrics::{counter, describe_counter, describe_gauge, gauge};

const UP: &str = "pomost_system_up";
const TURNED_AWAY: &str = "pomost_requests_turned_away_total";
const CONCURRENCY: &str = "pomost_system_concurrency_limit";

/// Notes that a system is up, or down.
pub(crate) fn set_up(system: &str, is_up: bool) {
    gauge!(UP, "system" => system.to_owned()).set(f64::from(u8::from(is_up)));
}

/// Counts a request that was not sent because its system is down.
pub(crate) fn count_turned_away(system: &str) {
    counter!(TURNED_AWAY, "system" => system.to_owned()).increment(1);
}

/// Notes the number of requests that a system takes at a time.
pub(crate) fn set_concurrency(system: &str, limit: usize) {
    gauge!(CONCURRENCY, "system" => system.to_owned()).set(limit as f64);
}

/// Describes the metrics. To be called when the process's recorder is there.
pub(crate) fn describe() {
    describe_gauge!(
        UP,
        "Whether a system is up: 0 from ten failures in a row, or one to get tokens, until a probe succeeds."
    );
    describe_gauge!(
        CONCURRENCY,
        "Requests that a system takes at a time, by how it answers; at most its `concurrency`."
    );
    describe_counter!(
        TURNED_AWAY,
        "Requests that were not made because their system is down."
    );
}
