//! PostgreSQL goes away in the middle of a run.

use std::time::Duration;

use pomost_sandbox::FaultPlan;
use pomost_tests::{Proxy, StackOptions, WireState, eventually, test_url, with_stack};

/// Number of requests that the shop of the example gets at a time.
const IN_FLIGHT: u64 = 16;

#[tokio::test(flavor = "multi_thread")]
async fn closing_the_connections_to_the_database_loses_and_doubles_nothing() {
    with_stack(
        StackOptions {
            customers: 3_000,
            ..StackOptions::default()
        },
        async |stack| {
            stack.crm.set_faults(FaultPlan {
                delay_ms: 100,
                ..FaultPlan::default()
            });
            let run = stack.request_run().await;
            for customers in (100..2_500).step_by(300) {
                stack.created(customers).await;
                stack.namespace.disconnect_database().await;
            }
            stack.all_crossed_once(run).await;
        },
    )
    .await;
}

/// Other loaders may have taken over the records that it claimed. The shop holds its responses back
/// until the claims have run out, so that the loader would have places for more requests then.
#[tokio::test(flavor = "multi_thread")]
async fn a_loader_that_cannot_renew_its_claims_begins_nothing_more() {
    /// Duration of the stack's claims.
    const CLAIM: Duration = Duration::from_secs(1);
    let direct = test_url("POMOST_TEST_DATABASE_URL");
    let mut wire = Proxy::start(&direct, 5432).await;
    let options = StackOptions {
        customers: 200,
        database_url: Some(wire.url(&direct)),
        shop_wire: true,
        edits: &[("systems/shop.yaml", "timeout: 5s", "timeout: 60s")],
        ..StackOptions::default()
    };
    with_stack(options, async |stack| {
        stack.shop_wire().set(WireState::ResponsesHeld);
        let run = stack.request_run().await;
        stack.created(10).await;
        wire.cut().await;
        tokio::time::sleep(CLAIM).await;
        stack.shop_wire().set(WireState::Open);
        let loader = &stack.loader;
        loader
            .wait_for_log("what was done is not recorded yet")
            .await;
        let created = stack.shop.counts().created;
        assert!(created <= IN_FLIGHT, "{created} were created");
        wire.mend().await;
        stack.all_crossed_once(run).await;
        assert_eq!(stack.shop.counts().updated, 0, "something was sent again");
    })
    .await;
}

/// While the database is away a service is alive and not ready, and says why.
#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_database_loses_and_doubles_nothing() {
    let direct = test_url("POMOST_TEST_DATABASE_URL");
    let mut wire = Proxy::start(&direct, 5432).await;
    let options = StackOptions {
        customers: 1_000,
        database_url: Some(wire.url(&direct)),
        ..StackOptions::default()
    };
    with_stack(options, async |stack| {
        let run = stack.request_run().await;
        stack.created(200).await;
        wire.cut().await;
        for service in stack.services() {
            eventually(async || match service.get("/readyz").await {
                (503, body) if body.contains("the store postgres://127.") => Ok(()),
                other => Err(format!("{other:?}")),
            })
            .await;
            assert_eq!(service.get("/healthz").await.0, 200);
        }
        wire.mend().await;
        stack.all_crossed_once(run).await;
    })
    .await;
}
