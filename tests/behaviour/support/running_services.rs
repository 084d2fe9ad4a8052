//! The three services at work in the process of the test.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use pomost::runner;
use pomost_broker::Broker;
use pomost_extractor::{
    Scheduling,
    webhook::{ReceiverLimits, WebhookReceiver},
};
use pomost_http::{ClientOptions, SystemClients};
use pomost_models::{RunId, RunTrigger};
use pomost_operations::open;
use pomost_runtime::{Backends, ServiceContext};
use pomost_store::{RunRequest, RunState, RunSummary, Store};
use pomost_tests::eventually;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Duration of claims and leases. No pause of the machine is so long that one is lost.
pub(crate) const CLAIM: Duration = Duration::from_secs(60);

/// Duration of claims and leases of services that are killed. Others wait for their end.
pub(crate) const SHORT_CLAIM: Duration = Duration::from_secs(5);

/// The three services at work in the process of the test.
pub(crate) struct RunningServices {
    context: ServiceContext,
    services: JoinHandle<anyhow::Result<()>>,
}

impl RunningServices {
    /// Starts the three services for a project, with `broker` around the embedded one.
    pub(crate) async fn start(
        directory: &Path,
        claim: Duration,
        scheduling: Scheduling,
        broker: impl FnOnce(Arc<dyn Broker>) -> Arc<dyn Broker>,
    ) -> RunningServices {
        let options = ClientOptions::default();
        RunningServices::start_clients(directory, claim, scheduling, broker, &options).await
    }

    /// Starts the three services with clients of these options.
    pub(crate) async fn start_clients(
        directory: &Path,
        claim: Duration,
        scheduling: Scheduling,
        broker: impl FnOnce(Arc<dyn Broker>) -> Arc<dyn Broker>,
        options: &ClientOptions,
    ) -> RunningServices {
        let project = open::project(directory).unwrap_or_else(|problems| panic!("{problems}"));
        // A runner that was killed may take a moment to let go.
        let mut backends = eventually(async || Backends::embedded(directory).await).await;
        backends.broker = broker(backends.broker);
        let context = ServiceContext {
            project: Arc::new(project),
            backends,
            claim_ttl: claim,
            shutdown: CancellationToken::new(),
        };
        let store = &context.backends.store;
        let clients = SystemClients::with_options(&context.project, store, options).unwrap();
        context.declare().await.unwrap();
        let services = tokio::spawn(runner::run(context.clone(), clients, scheduling));
        RunningServices { context, services }
    }

    pub(crate) async fn request(&self, since: Option<&str>) -> RunId {
        request_run(self.context.store(), since).await
    }

    /// Waits until a run has ended. No record may be missing from its counts.
    pub(crate) async fn ended(&self, run: RunId) -> RunSummary {
        let summary = eventually(async || {
            let summary = self.context.store().run(run).await.unwrap().unwrap();
            match summary.state {
                RunState::Settled | RunState::Failed => Ok(summary),
                state => Err(format!("{} with {:?}", state.as_str(), summary.counts)),
            }
        })
        .await;
        let counts = &summary.counts;
        assert_eq!(
            counts.records,
            counts.waiting + counts.outcomes.values().sum::<u64>()
        );
        summary
    }

    /// Receives webhooks as well; returns the address, and the task that ends with the receiver.
    pub(crate) async fn receive_webhooks(
        &self,
        limits: ReceiverLimits,
    ) -> (SocketAddr, JoinHandle<()>) {
        let any = Some(([127, 0, 0, 1], 0).into());
        let mut receiver = WebhookReceiver::bind(self.context.clone(), any)
            .await
            .unwrap();
        let address = receiver.address().unwrap();
        receiver.limits = limits;
        (address, tokio::spawn(receiver.serve()))
    }

    /// Asks everything to end, without waiting for that.
    pub(crate) fn begin_to_stop(&self) {
        self.context.shutdown.cancel();
    }

    pub(crate) async fn stop(self) {
        self.begin_to_stop();
        self.services.await.unwrap().unwrap();
    }

    /// Ends everything where it is, without a warning.
    pub(crate) async fn kill(self) {
        self.services.abort();
        let _ = self.services.await;
    }
}

/// Requests a run of the flow.
pub(super) async fn request_run(store: &dyn Store, since: Option<&str>) -> RunId {
    let request = RunRequest {
        flow: "things".into(),
        trigger: RunTrigger::Manual,
        since: since.map(str::to_owned),
    };
    store.request_run(&request).await.unwrap()
}
