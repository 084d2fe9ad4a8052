//! The three services at work.

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

    pub(crate) async fn stop(self) {
        self.context.shutdown.cancel();
        self.services.await.unwrap().unwrap();
    }

    /// Ends it where it is, without a warning.
    pub(crate) async fn kill(self) {
        self.services.abort();
        let _ = self.services.await;
    }
}
