//! RabbitMQ goes away in the middle of a run and comes back; nobody restarts the services.

use pomost_broker::testing::PrivateNode;
use pomost_sandbox::FaultPlan;
use pomost_tests::{StackOptions, eventually, with_stack};

const CUSTOMERS: u32 = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_broker_loses_and_doubles_nothing() {
    interrupting(async |node| node.stop().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_broker_loses_and_doubles_nothing() {
    interrupting(async |node| node.kill().await).await;
}

/// While the broker is away a service is alive and not ready, and says why.
async fn interrupting(interrupt: impl AsyncFn(&mut PrivateNode)) {
    let mut node = PrivateNode::start().await;
    let options = StackOptions {
        customers: CUSTOMERS,
        amqp_url: Some(node.url()),
        ..StackOptions::default()
    };
    with_stack(options, async |stack| {
        stack.crm.set_faults(FaultPlan {
            delay_ms: 250,
            ..FaultPlan::default()
        });
        let run = stack.request_run().await;
        stack.created(600).await;
        interrupt(&mut node).await;
        eventually(async || match stack.loader.get("/readyz").await {
            (503, body) if body.contains("the broker amqp://guest@127.") => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .await;
        assert_eq!(stack.loader.get("/healthz").await.0, 200);
        node.start_again().await;
        stack.all_crossed_once(run).await;
    })
    .await;
}
