//! Following runs until they have ended.

use std::time::Duration;

use pomost_models::{RunId, RunTrigger};
use pomost_project::Project;
use pomost_store::{Outage, RunState, RunSummary, Store};
use tokio::time::Instant;

use crate::{
    Error, Result,
    runs::{RunReport, SystemOutage},
};

/// The time between two looks at a run.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// The time between two looks at the systems that are down.
const OUTAGE_LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Number of a flow's newest runs in which records may still wait.
const EARLIER_RUNS: u32 = 100;

/// An event of a run that is followed.
#[derive(Debug)]
pub enum RunEvent<'a> {
    /// A run is followed from now on.
    Begins {
        flow: &'a str,
        /// True for a run that was requested earlier and whose records still wait.
        is_earlier: bool,
    },
    /// The run waits for a system that is down. Told once for each kind of failure.
    WaitsFor(&'a SystemOutage),
    /// The run as it is now.
    Progress(&'a RunReport),
    /// The run has ended ([`RunReport::has_ended`]).
    Ended,
}

/// Takes the events of runs that are followed.
pub type RunEvents<'a> = dyn FnMut(RunEvent<'_>) + Send + 'a;

/// Follows a run until it has ended. For which system it waits is told only with its project.
pub async fn follow(
    store: &dyn Store,
    run: RunId,
    project: Option<&Project>,
    events: &mut RunEvents<'_>,
) -> Result<RunReport> {
    let mut outages = KnownOutages::default();
    let mut told_class: Option<String> = None;
    loop {
        let summary = store.run(run).await?.ok_or(Error::RunVanished(run))?;
        if project.is_some() {
            outages.refresh(store).await?;
        }
        let report = RunReport::of(summary, project, &outages.outages);
        if let Some(outage) = &report.waits_for
            && told_class.as_ref() != Some(&outage.class)
        {
            events(RunEvent::WaitsFor(outage));
        }
        // An outage that ends and begins again is told again.
        told_class = report.waits_for.as_ref().map(|outage| outage.class.clone());
        events(RunEvent::Progress(&report));
        if report.has_ended() {
            events(RunEvent::Ended);
            return Ok(report);
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Follows the earlier runs of the flow whose records still wait, the oldest first, and then the
/// run itself: when a sync is stopped, the next one goes on with its records. A replay whose
/// records were not all sent is left out, since only the next replay sends the rest.
pub async fn follow_with_earlier(
    store: &dyn Store,
    run: RunId,
    project: &Project,
    flow: &str,
    events: &mut RunEvents<'_>,
) -> Result<Vec<RunReport>> {
    let mut reports = Vec::new();
    for earlier in store
        .runs(Some(flow), EARLIER_RUNS)
        .await?
        .into_iter()
        .rev()
    {
        if earlier.id != run && is_waited_for(&earlier) {
            let is_earlier = true;
            events(RunEvent::Begins { flow, is_earlier });
            reports.push(follow(store, earlier.id, Some(project), events).await?);
        }
    }
    let is_earlier = false;
    events(RunEvent::Begins { flow, is_earlier });
    reports.push(follow(store, run, Some(project), events).await?);
    Ok(reports)
}

fn is_waited_for(run: &RunSummary) -> bool {
    let is_unsent_replay = run.trigger == RunTrigger::Replay && run.state == RunState::Requested;
    !is_unsent_replay && !RunReport::from(run.clone()).has_ended()
}

/// The outages at the last look.
#[derive(Default)]
struct KnownOutages {
    outages: Vec<Outage>,
    looked_at: Option<Instant>,
}

impl KnownOutages {
    async fn refresh(&mut self, store: &dyn Store) -> Result<()> {
        let is_recent = |looked_at: Instant| looked_at.elapsed() < OUTAGE_LOOK_INTERVAL;
        if !self.looked_at.is_some_and(is_recent) {
            self.outages = store.outages(Outage::FORGOTTEN_AFTER).await?;
            self.looked_at = Some(Instant::now());
        }
        Ok(())
    }
}
