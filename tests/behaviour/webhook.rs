//! What sources deliver by themselves.

mod asked;
mod order;
mod refused;
mod seen;
mod sender;
mod taken;
mod troubles;

use pomost_extractor::webhook::ReceiverLimits;

use crate::support::{Flow, Rows, Running, Server, World, delivered};
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
        Hooked::on(world, rows, running, ReceiverLimits::default()).await
    }

    async fn between(source: Server, flow: Flow) -> Hooked {
        let world = World::new(source, flow).await;
        let running = world.start().await;
        Hooked::on(world, Rows::default(), running, ReceiverLimits::default()).await
    }

    async fn on(world: World, rows: Rows, running: Running, limits: ReceiverLimits) -> Hooked {
        let (address, _) = running.take_webhooks(limits).await;
        Hooked {
            world,
            rows,
            running,
            sender: Sender { address },
        }
    }

    /// The outcomes of all that was delivered, once it has settled.
    async fn outcomes(&self) -> Vec<(&'static str, u64)> {
        delivered(&*self.world.backends().await.store, "things").await
    }
}

fn hooked() -> Flow {
    Flow {
        extract: HOOK,
        ..Flow::default()
    }
}
