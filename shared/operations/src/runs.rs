//! Runs: looking at them and requesting them.

use std::{collections::BTreeMap, path::Path};

use jiff::Timestamp;
use pomost_models::{Outcome, RunId, RunTrigger};
use pomost_project::Project;
use pomost_store::{Outage, RunRequest, RunState, RunSummary, Store};
use serde::{Serialize, Serializer};

use crate::{Error, Result, cursors, open, waiting};

/// The newest runs, and the systems that are down.
#[derive(Debug, Clone, Serialize)]
pub struct StatusReport {
    pub outages: Vec<SystemOutage>,
    /// Newest first.
    pub runs: Vec<RunReport>,
}

/// A run and what became of its records.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    pub id: RunId,
    pub flow: String,
    pub trigger: RunTrigger,
    #[serde(serialize_with = "by_its_word")]
    pub state: RunState,
    pub requested_at: Timestamp,
    /// The time at which the source had been read to its end, or at which the run failed.
    pub extracted_at: Option<Timestamp>,
    /// Number of records that were extracted, and of those that a mapping made by splitting.
    pub records: u64,
    /// Number of records that have not settled.
    pub waiting: u64,
    /// Number of the waiting records that wait for a dead letter of their key.
    pub blocked: u64,
    /// Number of settled records by outcome; outcomes of no record are left out.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// The reason for which the source could not be read to its end.
    pub error: Option<String>,
    /// Something odd about a run that was read to its end.
    pub warning: Option<String>,
    /// The outage whose end the run waits for.
    pub waits_for: Option<SystemOutage>,
}

/// A system that is down.
#[derive(Debug, Clone, Serialize)]
pub struct SystemOutage {
    pub system: String,
    /// The kind of failure that was seen last.
    pub class: String,
    /// The failure that was seen last, without secrets and values of records.
    pub reason: String,
    pub since: Timestamp,
    /// True where the outage ends only when somebody mends our credentials, or what they are
    /// granted.
    pub is_of_credentials: bool,
}

/// The systems that are down and the newest runs, at most `limit`, of one flow or of all. For which
/// system a run waits is left out where the project cannot be read.
pub async fn status(
    store: &dyn Store,
    directory: &Path,
    flow: Option<&str>,
    limit: u32,
) -> Result<StatusReport> {
    let outages = store.outages(Outage::FORGOTTEN_AFTER).await?;
    let runs = store.runs(flow, limit).await?;
    let project = match outages.is_empty() {
        true => None,
        false => open::project(directory).ok(),
    };
    Ok(StatusReport {
        runs: runs
            .into_iter()
            .map(|run| RunReport::of(run, project.as_ref(), &outages))
            .collect(),
        outages: outages.iter().map(SystemOutage::from).collect(),
    })
}

/// Requests a run of a flow, which reads from its cursor on or from `since`. A place that no run
/// can begin at is an error, and nothing is requested.
pub async fn request(
    store: &dyn Store,
    project: &Project,
    flow: &str,
    since: Option<String>,
) -> Result<RunId> {
    if let Some(since) = &since {
        check_since(store, project, flow, since).await?;
    }
    let request = RunRequest {
        flow: flow.to_owned(),
        trigger: RunTrigger::Manual,
        since,
    };
    Ok(store.request_run(&request).await?)
}

async fn check_since(store: &dyn Store, project: &Project, flow: &str, since: &str) -> Result<()> {
    let flow = open::flow(project, flow)?;
    let cursor = flow.extract.cursor.as_ref().ok_or_else(|| {
        Error::InvalidArgument("--since needs extract.cursor, which the flow has not".into())
    })?;
    let stored = store.cursor(&flow.name).await?;
    cursors::check_beginning(&flow.extract, cursor, stored.as_deref(), since)
        .map_err(|problem| Error::InvalidArgument(format!("--since: {problem}")))
}

impl RunReport {
    /// Reports a run, with the outage that it waits for where the project is known.
    pub(crate) fn of(run: RunSummary, project: Option<&Project>, outages: &[Outage]) -> RunReport {
        let waits_for = project.and_then(|project| waiting::outage_of(project, outages, &run));
        RunReport {
            waits_for: waits_for.map(SystemOutage::from),
            ..RunReport::from(run)
        }
    }

    /// Number of records with this outcome.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(&outcome).copied().unwrap_or(0)
    }

    /// True when a run has failed, or when all its records have settled except those that wait
    /// until somebody replays or discards a dead letter.
    pub fn has_ended(&self) -> bool {
        match self.state {
            RunState::Settled | RunState::Failed => true,
            RunState::Settling => self.waiting <= self.blocked,
            RunState::Requested | RunState::Extracting => false,
        }
    }

    /// True when records of the run are dead, or wait for a dead letter of their key.
    pub fn has_dead_or_blocked(&self) -> bool {
        self.count(Outcome::Dead) + self.blocked > 0
    }
}

impl From<RunSummary> for RunReport {
    fn from(run: RunSummary) -> RunReport {
        RunReport {
            id: run.id,
            flow: run.flow,
            trigger: run.trigger,
            state: run.state,
            requested_at: run.requested_at,
            extracted_at: run.extracted_at,
            records: run.counts.records,
            waiting: run.counts.waiting,
            blocked: run.blocked_by_dead_letters,
            outcomes: run.counts.outcomes,
            error: run.error,
            warning: run.warning,
            waits_for: None,
        }
    }
}

impl From<&Outage> for SystemOutage {
    fn from(outage: &Outage) -> SystemOutage {
        SystemOutage {
            system: outage.system.clone(),
            class: outage.class.clone(),
            reason: outage.reason.clone(),
            since: outage.since,
            is_of_credentials: outage.is_unauthorised(),
        }
    }
}

fn by_its_word<S: Serializer>(
    state: &RunState,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(state.as_str())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use pomost_store::OutcomeCounts;
    use serde_json::json;

    use super::*;

    fn summary(state: RunState, waiting: u64, blocked: u64) -> RunSummary {
        RunSummary {
            id: RunId::generate(),
            flow: "customers".into(),
            trigger: RunTrigger::Manual,
            state,
            requested_at: Timestamp::UNIX_EPOCH,
            extracted_at: None,
            error: None,
            warning: None,
            counts: OutcomeCounts {
                records: 12,
                waiting,
                outcomes: BTreeMap::from([(Outcome::Created, 10)]),
            },
            blocked_by_dead_letters: blocked,
        }
    }

    #[test]
    fn a_run_whose_last_records_wait_for_dead_letters_has_ended() {
        let ended =
            |state, waiting, blocked| RunReport::from(summary(state, waiting, blocked)).has_ended();
        assert!(ended(RunState::Settling, 2, 2) && ended(RunState::Failed, 2, 0));
        assert!(!ended(RunState::Settling, 2, 1) && !ended(RunState::Extracting, 0, 0));
    }

    #[test]
    fn a_report_is_serialised_with_the_words_of_listings() {
        let report = RunReport::from(summary(RunState::Settling, 2, 1));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["state"], "settling");
        assert_eq!(json["trigger"], "manual");
        assert_eq!(json["outcomes"], json!({"created": 10}));
        assert_eq!(json["requested_at"], "1970-01-01T00:00:00Z");
        assert_eq!((&json["waiting"], &json["blocked"]), (&json!(2), &json!(1)));
    }
}
