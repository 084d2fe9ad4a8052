//! Waiting for the runs of one flow, and running them under its lease.

use std::time::Duration;

use jiff::Timestamp;
use pomost_models::{Lane, RunTrigger};
use pomost_project::Flow;
use pomost_runtime::{ServiceContext, metrics};
use pomost_store::{Lease, LeaseName, Run, RunRequest, Store};
use tracing::{error, info, warn};

use crate::{
    Scheduling,
    extraction::{self, Extraction, Source},
};

/// How often a flow looks whether a run is due.
const TURN: Duration = Duration::from_millis(500);

/// How long a flow leaves the store alone after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Runs a flow whenever it is due or asked for, until shutdown. Any number of replicas may tend the
/// same flow: its lease lets one at a time extract it.
pub async fn tend(context: ServiceContext, source: Source, scheduling: Scheduling) {
    let tending = Tending {
        context: &context,
        source: &source,
        scheduling,
        since: Timestamp::now(),
    };
    while !context.shutdown.is_cancelled() {
        let pause = match tending.turn().await {
            Ok(true) => Duration::ZERO,
            Ok(false) => TURN,
            Err(error) => {
                warn!(flow = source.flow.name, %error, "the flow pauses");
                AFTER_FAILURE
            }
        };
        context
            .shutdown
            .run_until_cancelled(tokio::time::sleep(pause))
            .await;
    }
}

/// One flow that is tended.
struct Tending<'a> {
    context: &'a ServiceContext,
    source: &'a Source,
    scheduling: Scheduling,
    /// When it began.
    since: Timestamp,
}

impl Tending<'_> {
    /// One look: extracts a run if there is one to extract, and says whether there was.
    async fn turn(&self) -> Result<bool, extraction::Error> {
        let (context, flow) = (self.context, &self.source.flow.name);
        let store = context.store();
        if !self.is_due().await? && store.next_run(flow).await?.is_none() {
            return Ok(false);
        }
        let Some(lease) = store
            .acquire_lease(
                LeaseName::Flow(flow.clone()),
                context.holder(),
                context.claim,
            )
            .await?
        else {
            return Ok(false);
        };
        // A shutdown cuts an extraction off between two steps; its run goes on from the last confirmed
        // page, at once where the lease was given back.
        let ran = context
            .shutdown
            .run_until_cancelled(self.run_under(&lease))
            .await;
        store.release_lease(&lease).await?;
        ran.unwrap_or(Ok(true))
    }

    /// Looks again now that nobody else can: another replica may have done the run meanwhile.
    async fn run_under(&self, lease: &Lease) -> Result<bool, extraction::Error> {
        let (store, flow) = (self.context.store(), &self.source.flow.name);
        if let Some(run) = store.next_run(flow).await? {
            return extract(self.context, self.source, lease, run)
                .await
                .map(|()| true);
        }
        if !self.is_due().await? {
            return Ok(false);
        }
        let request = RunRequest {
            flow: flow.clone(),
            trigger: RunTrigger::Schedule,
            since: None,
        };
        store.request_run(&request).await?;
        match store.next_run(flow).await? {
            Some(run) => extract(self.context, self.source, lease, run)
                .await
                .map(|()| true),
            None => Ok(false),
        }
    }

    async fn is_due(&self) -> Result<bool, extraction::Error> {
        let flow = &self.source.flow;
        let schedule = flow
            .extract
            .schedule
            .as_ref()
            .filter(|_| self.scheduling == Scheduling::On);
        let Some(schedule) = schedule else {
            return Ok(false);
        };
        let last = self
            .context
            .store()
            .last_request_time(&flow.name, RunTrigger::Schedule)
            .await?;
        Ok(schedule.is_due(last, self.since, Timestamp::now()))
    }
}

/// Extracts a run while renewing the lease; when the lease is lost, extraction stops where it is.
async fn extract(
    context: &ServiceContext,
    source: &Source,
    lease: &Lease,
    run: Run,
) -> Result<(), extraction::Error> {
    let id = run.id;
    info!(flow = run.flow, run = %id, trigger = run.trigger.as_str(), resumed = run.checkpoint.is_some(), "extracting");
    let lane = lane(context.store(), &source.flow, &run).await?;
    let source = &Source {
        client: source.client.in_lane(lane),
        flow: source.flow.clone(),
    };
    let extraction = Extraction {
        context,
        source,
        lease,
        run: &run,
        lane,
    };
    let extracted = tokio::select! {
        extracted = extraction.extract() => extracted,
        lost = keep(context, lease) => Err(lost),
    };
    match extracted {
        Err(reason @ (extraction::Error::Source(_) | extraction::Error::Request(_))) => {
            error!(flow = run.flow, run = %id, error = %reason, "the run cannot be read to its end");
            let reason = match reason {
                extraction::Error::Request(failure) => failure.with_title(),
                other => other.to_string(),
            };
            metrics::count_failed_run(&run.flow);
            Ok(context.store().fail_run(lease, id, &reason).await?)
        }
        extracted => extracted,
    }
}

/// What is read to catch up leaves what has just changed its turns: a flow's first run, one from a place
/// that somebody named, and one that reads everything where the source delivers its changes besides.
async fn lane(store: &dyn Store, flow: &Flow, run: &Run) -> Result<Lane, extraction::Error> {
    let catches_up = match &flow.extract.cursor {
        Some(_) => run.since.is_some() || store.cursor(&flow.name).await?.is_none(),
        None => flow.extract.webhook.is_some(),
    };
    Ok(if catches_up {
        Lane::Backfill
    } else {
        Lane::Live
    })
}

/// Renews the lease until that fails.
async fn keep(context: &ServiceContext, lease: &Lease) -> extraction::Error {
    loop {
        tokio::time::sleep(context.claim / 3).await;
        match context.store().renew_lease(lease, context.claim).await {
            Ok(()) => {}
            Err(error @ pomost_store::Error::LeaseLost(_)) => return error.into(),
            Err(error) => warn!(%error, "the lease was not renewed; trying again"),
        }
    }
}
