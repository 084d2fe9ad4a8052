//! What sources deliver by themselves.

mod order;
mod refused;
mod seen;
mod sender;
mod taken;
mod troubles;

use pomost_extractor::webhook::Limits;
use pomost_models::{Outcome, Trigger};
use pomost_store::RunState;
use pomost_tests::eventually;

use crate::support::{Flow, Rows, Running, Server, World};
use sender::Sender;

const HOOK: &str = "webhook:
  path: /things
  verify: { token: { secrets: [\"${TOKEN}\"], header: X-Token } }
  delivery: { header: X-Id }";

/// A world whose source delivers, at work.
struct Hooked {
    world: World,
    rows: Rows,
    running: Running,
    sender: Sender,
}

impl Hooked {
    async fn start(flow: Flow) -> Hooked {
        let (world, rows) = World::with_rows([], flow).await;
        let running = world.start().await;
        Hooked::on(world, rows, running, Limits::default()).await
    }

    async fn between(source: Server, flow: Flow) -> Hooked {
        let world = World::new(source, flow).await;
        let running = world.start().await;
        Hooked::on(world, Rows::default(), running, Limits::default()).await
    }

    async fn on(world: World, rows: Rows, running: Running, limits: Limits) -> Hooked {
        let (address, _) = running.take_webhooks(limits).await;
        Hooked { world, rows, running, sender: Sender { address } }
    }

    /// The outcomes of all that was delivered, once it has settled; none is missing from the counts.
    async fn outcomes(&self) -> Vec<(&'static str, u64)> {
        let store = self.world.backends().await.store;
        eventually(async || {
            let runs = store.runs(Some("things"), 100).await.unwrap();
            let runs: Vec<_> = runs.into_iter().filter(|run| run.trigger == Trigger::Webhook).collect();
            if let Some(run) = runs.iter().find(|run| run.state != RunState::Settled) {
                return Err(format!("{} with {:?}", run.state.as_str(), run.counts));
            }
            let of = |outcome| (outcome, runs.iter().map(|run| run.counts.of(outcome)).sum::<u64>());
            let outcomes: Vec<(Outcome, u64)> = Outcome::ALL.into_iter().map(of).collect();
            let records: u64 = runs.iter().map(|run| run.counts.records).sum();
            assert_eq!(records, outcomes.iter().map(|(_, count)| count).sum::<u64>());
            Ok(outcomes)
        })
        .await
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(outcome, count)| (outcome.as_str(), count))
        .collect()
    }
}

fn hooked() -> Flow {
    Flow { extract: HOOK, ..Flow::default() }
}
