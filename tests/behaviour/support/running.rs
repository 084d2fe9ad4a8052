//! The three services at work.

use std::net::SocketAddr;

use pomost_extractor::webhook::{Limits, Receiver};
use pomost_http::Clients;
use pomost_models::{RunId, Trigger};
use pomost_runtime::Context;
use pomost_store::{RunRequest, RunState, RunSummary};
use pomost_tests::eventually;
use tokio::task::JoinHandle;

/// The three services at work.
pub(crate) struct Running {
    context: Context,
    services: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    pub(crate) fn new(context: Context, services: JoinHandle<anyhow::Result<()>>) -> Running {
        Running { context, services }
    }

    pub(crate) async fn request(&self, since: Option<&str>) -> RunId {
        let since = since.map(str::to_owned);
        let request = RunRequest { flow: "things".into(), trigger: Trigger::Manual, since };
        self.context.store().request_run(&request).await.unwrap()
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
        assert_eq!(counts.records, counts.waiting + counts.outcomes.values().sum::<u64>());
        summary
    }

    /// Takes webhooks as well; returns where, and the task that ends with them.
    pub(crate) async fn take_webhooks(&self, limits: Limits) -> (SocketAddr, JoinHandle<()>) {
        let clients = Clients::new(&self.context.project, &self.context.backends.store).unwrap();
        let any = Some(([127, 0, 0, 1], 0).into());
        let mut receiver = Receiver::bind(self.context.clone(), &clients, any).await.unwrap();
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
