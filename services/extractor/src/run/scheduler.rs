//! The wait for the runs of one flow, and their extraction under its lease.

use std::time::Duration;

use jiff::Timestamp;
use pomost_models::{Lane, RunTrigger, retry::renewal_interval};
use pomost_project::Flow;
use pomost_runtime::{ServiceContext, metrics};
use pomost_store::{Lease, LeaseName, Run, RunRequest, Store};
use tracing::{error, info, warn};

use super::{QueueSink, RunContext, extraction};
use crate::{Scheduling, error::Error, source::Source};

/// Pause between two looks at whether a run is due.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Pause after the store or the broker failed.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// Extracts a flow whenever a run is due or requested, until shutdown. Any number of replicas may
/// do so for the same flow: its lease lets one of them extract at a time.
pub(crate) async fn schedule(context: ServiceContext, source: Source, scheduling: Scheduling) {
    let scheduler = FlowScheduler {
        context: &context,
        source: &source,
        scheduling,
        started_at: Timestamp::now(),
    };
    while !context.shutdown.is_cancelled() {
        let pause = match scheduler.check().await {
            Ok(true) => Duration::ZERO,
            Ok(false) => CHECK_INTERVAL,
            Err(error) => {
                warn!(flow = source.flow.name, %error, "the flow pauses");
                PAUSE_AFTER_FAILURE
            }
        };
        context
            .shutdown
            .run_until_cancelled(tokio::time::sleep(pause))
            .await;
    }
}

struct FlowScheduler<'a> {
    context: &'a ServiceContext,
    source: &'a Source,
    scheduling: Scheduling,
    /// A schedule that never ran is counted from here.
    started_at: Timestamp,
}

impl FlowScheduler<'_> {
    /// Extracts a run if there is one. Returns true if it did.
    async fn check(&self) -> Result<bool, Error> {
        let (context, flow) = (self.context, &self.source.flow.name);
        let store = context.store();
        if !self.is_due().await? && store.next_run(flow).await?.is_none() {
            return Ok(false);
        }
        let Some(lease) = store
            .acquire_lease(
                LeaseName::Flow(flow.clone()),
                context.holder(),
                context.claim_ttl,
            )
            .await?
        else {
            return Ok(false);
        };
        // A shutdown cuts an extraction off between two steps; its run goes on from the last
        // confirmed page, at once where the lease was given back.
        let extracted = context
            .shutdown
            .run_until_cancelled(self.extract_under(&lease))
            .await;
        store.release_lease(&lease).await?;
        extracted.unwrap_or(Ok(true))
    }

    async fn extract_under(&self, lease: &Lease) -> Result<bool, Error> {
        let run = match self.open_run().await? {
            Some(run) => Some(run),
            // It is looked at again, now under the lease: another replica may have done the run
            // meanwhile.
            None if self.is_due().await? => {
                self.request_run().await?;
                self.open_run().await?
            }
            None => None,
        };
        match run {
            Some(run) => extract(self.context, self.source, lease, run)
                .await
                .map(|()| true),
            None => Ok(false),
        }
    }

    async fn open_run(&self) -> Result<Option<Run>, Error> {
        Ok(self
            .context
            .store()
            .next_run(&self.source.flow.name)
            .await?)
    }

    async fn request_run(&self) -> Result<(), Error> {
        let request = RunRequest {
            flow: self.source.flow.name.clone(),
            trigger: RunTrigger::Schedule,
            since: None,
        };
        self.context.store().request_run(&request).await?;
        Ok(())
    }

    async fn is_due(&self) -> Result<bool, Error> {
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
        Ok(schedule.is_due(last, self.started_at, Timestamp::now()))
    }
}

/// Extracts a run while the lease is renewed; when the lease is lost, the extraction stops where it
/// is.
async fn extract(
    service: &ServiceContext,
    source: &Source,
    lease: &Lease,
    run: Run,
) -> Result<(), Error> {
    let id = run.id;
    info!(flow = run.flow, run = %id, trigger = run.trigger.as_str(), resumed = run.checkpoint.is_some(), "extracting");
    let lane = lane(service.store(), &source.flow, &run).await?;
    let source = &Source {
        client: source.client.in_lane(lane),
        flow: source.flow.clone(),
    };
    let sink = QueueSink {
        context: service,
        flow: &source.flow,
        lease,
    };
    let context = RunContext {
        source,
        run: &run,
        lane,
        sink: &sink,
        store: service.store(),
    };
    let extracted = tokio::select! {
        extracted = extraction::extract(&context, lease) => extracted,
        lost = renew_until_lost(service, lease) => Err(lost),
    };
    let error = match extracted {
        Err(error @ (Error::Permanent(_) | Error::Request(_))) => error,
        other => return other,
    };
    error!(flow = run.flow, run = %id, %error, "the run cannot be read to its end");
    metrics::count_failed_run(&run.flow);
    Ok(service.store().fail_run(lease, id, &reason(&error)).await?)
}

/// The reason that the store keeps. Unlike the log, it has the title of a web page that came in the
/// place of an answer: people who list runs may know what the request was about.
fn reason(error: &Error) -> String {
    match error {
        Error::Request(failure) => failure.with_title(),
        other => other.to_string(),
    }
}

/// The lane of a run's records. Runs that catch up leave the live lane to new changes: a flow's
/// first run, one from a start that somebody named, and one that reads everything where the source
/// also delivers its changes.
async fn lane(store: &dyn Store, flow: &Flow, run: &Run) -> Result<Lane, Error> {
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

/// Renews the lease, and returns when another replica has it.
async fn renew_until_lost(service: &ServiceContext, lease: &Lease) -> Error {
    loop {
        tokio::time::sleep(renewal_interval(service.claim_ttl)).await;
        match service.store().renew_lease(lease, service.claim_ttl).await {
            Ok(()) => {}
            Err(error @ pomost_store::Error::LeaseLost(_)) => return error.into(),
            Err(error) => warn!(%error, "the lease was not renewed; trying again"),
        }
    }
}
