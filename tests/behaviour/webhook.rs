//! What sources deliver by themselves.

mod asked;
mod order;
mod refused;
mod seen;
mod sender;
mod taken;
mod troubles;

use pomost_extractor::webhook::Limits;

use crate::support::{FakeServer, Flow, Rows, RunningServices, World, outcomes_of_deliveries};
use sender::Sender;

const HOOK: &str = "webhook:
  path: /things
  verify: { token: { secrets: [\"${TOKEN}\"], header: X-Token } }
  delivery: { header: X-Id }";

/// A world whose source delivers, at work.
struct Hooked {
    world: World,
    rows: Rows,
    running: RunningServices,
    sender: Sender,
}

impl Hooked {
    async fn start(flow: Flow) -> Hooked {
        let (world, rows) = World::with_rows([], flow).await;
        let running = world.start().await;
        Hooked::on(world, rows, running, Limits::default()).await
    }

    async fn between(source: FakeServer, flow: Flow) -> Hooked {
        let world = World::new(source, flow).await;
        let running = world.start().await;
        Hooked::on(world, Rows::default(), running, Limits::default()).await
    }

    async fn on(world: World, rows: Rows, running: RunningServices, limits: Limits) -> Hooked {
        let (address, _) = running.receive_webhooks(limits).await;
        Hooked {
            world,
            rows,
            running,
            sender: Sender { address },
        }
    }

    /// The outcomes of all that was delivered, once it has settled.
    async fn outcomes(&self) -> Vec<(&'static str, u64)> {
        outcomes_of_deliveries(&*self.world.backends().await.store, "things").await
    }
}

fn hooked() -> Flow {
    Flow {
        extract: HOOK,
        ..Flow::default()
    }
}
