//! Deliveries: records that sources send by themselves.

mod accepted;
mod ids_only;
mod order;
mod refused;
mod sender;
mod trace;
mod troubles;

use pomost_extractor::webhook::ReceiverLimits;

use crate::support::{
    FakeServer, Flow, Rows, RunningServices, World, outcomes_of_deliveries, unhurried_limits,
};
use sender::DeliverySender;

const HOOK: &str = "webhook:
  path: /things
  verify: { token: { secrets: [\"${TOKEN}\"], header: X-Token } }
  delivery: { header: X-Id }";

/// A world whose source delivers, with its services at work.
struct WebhookWorld {
    world: World,
    rows: Rows,
    running: RunningServices,
    sender: DeliverySender,
}

impl WebhookWorld {
    async fn start(flow: Flow) -> WebhookWorld {
        let (world, rows) = World::with_rows([], flow).await;
        let running = world.start().await;
        WebhookWorld::on(world, rows, running, unhurried_limits()).await
    }

    async fn between(source: FakeServer, flow: Flow) -> WebhookWorld {
        let world = World::new(source, flow).await;
        let running = world.start().await;
        WebhookWorld::on(world, Rows::default(), running, unhurried_limits()).await
    }

    async fn on(
        world: World,
        rows: Rows,
        running: RunningServices,
        limits: ReceiverLimits,
    ) -> WebhookWorld {
        let (address, _) = running.receive_webhooks(limits).await;
        WebhookWorld {
            world,
            rows,
            running,
            sender: DeliverySender { address },
        }
    }

    /// The outcomes of all deliveries, once they have settled.
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
