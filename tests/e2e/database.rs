//! PostgreSQL goes away in the middle of a run.

use pomost_sandbox::FaultPlan;
use pomost_tests::{Proxy, StackOptions, eventually, test_url, with_stack};

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

/// Others may have taken over what it claimed, for all that it knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_loader_that_cannot_renew_its_claims_begins_nothing_more() {
    const CUSTOMERS: u32 = 200;
    let direct = test_url("POMOST_TEST_DATABASE_URL");
    let mut wire = Proxy::start(&direct, 5432).await;
    let options = StackOptions {
        customers: CUSTOMERS,
        database_url: Some(wire.url(&direct)),
        ..StackOptions::default()
    };
    with_stack(options, async |stack| {
        stack.shop.set_faults(FaultPlan {
            delay_ms: 250,
            ..FaultPlan::default()
        });
        let run = stack.request_run().await;
        stack.created(10).await;
        wire.cut().await;
        stack
            .loader
            .wait_for_log("what was done is not recorded yet")
            .await;
        let created = stack.shop.counts().created;
        assert!(created < u64::from(CUSTOMERS) / 2, "{created} were created");
        wire.mend().await;
        stack.all_crossed_once(run).await;
        assert_eq!(stack.shop.counts().updated, 0, "something was sent again");
    })
    .await;
}

/// While the database is away a service lives but is not ready, and says why.
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
