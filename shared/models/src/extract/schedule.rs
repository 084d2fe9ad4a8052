//! The section `extract.schedule` of a flow file.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::Period;

/// The times at which a flow runs by itself: `{ every: 5m }`, or by the clock, `{ cron: "0 6 * *
/// MON-FRI" }`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSection {
    /// The time from the start of one run to the start of the next.
    #[serde(default)]
    pub every: Option<Period>,
    /// Minute, hour, day of the month, month and day of the week, as in cron. Runs that were missed
    /// because nothing was running are made up for by one run.
    #[serde(default)]
    pub cron: Option<String>,
    /// The time zone of `cron`, `Europe/Warsaw`. UTC by default. A time that the change to summer
    /// time skips comes when the clock has moved on.
    #[serde(default)]
    pub timezone: Option<String>,
}
