//! The three services at work.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use pomost::runner;
use pomost_broker::Broker;
use pomost_extractor::{
    Scheduling,
    webhook::{Limits, Receiver},
};
use pomost_http::{ClientOptions, SystemClients};
use pomost_models::{RunId, RunTrigger};
use pomost_operations::open;
use pomost_runtime::{Backends, ServiceContext};
use pomost_store::{RunRequest, RunState, RunSummary, Store};
use pomost_tests::eventually;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The three services at work.
pub(crate) struct Running {
    context: ServiceContext,
    services: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Starts the three services for a project, by its schedules perhaps, on a broker made of the
    /// embedded one.
    pub(crate) async fn start(
        directory: &Path,
        scheduling: Scheduling,
        broker: impl FnOnce(Arc<dyn Broker>) -> Arc<dyn Broker>,
    ) -> Running {
        let options = ClientOptions::default();
        Running::start_clients(directory, scheduling, broker, &options).await
    }

    /// Starts the three services with clients of these options.
    pub(crate) async fn start_clients(
        directory: &Path,
        scheduling: Scheduling,
        broker: impl FnOnce(Arc<dyn Broker>) -> Arc<dyn Broker>,
        options: &ClientOptions,
    ) -> Running {
        let project = open::project(directory).unwrap_or_else(|problems| panic!("{problems}"));
        // A runner that was killed may take a moment to let go.
        let mut backends = eventually(async || Backends::embedded(directory).await).await;
        backends.broker = broker(backends.broker);
        let (claim_ttl, shutdown) = (Duration::from_secs(5), CancellationToken::new());
        let context = ServiceContext {
            project: Arc::new(project),
            backends,
            claim_ttl,
            shutdown,
        };
        let store = &context.backends.store;
        let clients = SystemClients::with_options(&context.project, store, options).unwrap();
        context.declare().await.unwrap();
        let services = tokio::spawn(runner::run(context.clone(), clients, scheduling));
        Running { context, services }
    }

    pub(crate) async fn request(&self, since: Option<&str>) -> RunId {
        request(self.context.store(), since).await
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

    /// Takes webhooks as well; returns where, and the task that ends with them.
    pub(crate) async fn take_webhooks(
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

    /// Asks everything to end.
    pub(crate) fn begin_to_stop(&self) {
        self.context.shutdown.cancel();
    }

    pub(crate) async fn stop(self) {
        self.begin_to_stop();
        self.services.await.unwrap().unwrap();
    }

    /// Ends it where it is, without a warning.
    pub(crate) async fn kill(self) {
        self.services.abort();
        let _ = self.services.await;
    }
}

/// Asks for a run of the flow.
pub(super) async fn request(store: &dyn Store, since: Option<&str>) -> RunId {
    let since = since.map(str::to_owned);
    let request = RunRequest {
        flow: "things".into(),
        trigger: RunTrigger::Manual,
        since,
    };
    store.request_run(&request).await.unwrap()
}
