//! SIGTERM in the middle of the work.

use std::time::Duration;

use pomost_sandbox::FaultPlan;
use pomost_tests::{Proxy, Service, Stack, StackOptions, WireState, test_url, with_stack};

/// Kubernetes grants 30 s, and wants some for itself.
const LIMIT: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread")]
async fn services_told_to_end_under_load_do_so_cleanly_and_are_continued() {
    with_stack(
        StackOptions {
            customers: 3_000,
            ..StackOptions::default()
        },
        async |stack| {
            stack.crm.set_faults(FaultPlan {
                delay_ms: 200,
                ..FaultPlan::default()
            });
            let run = stack.request_run().await;
            let services: [fn(&mut Stack) -> &mut Service; 3] = [
                |stack| &mut stack.extractor,
                |stack| &mut stack.transformer,
                |stack| &mut stack.loader,
            ];
            for (customers, service) in (300..)
                .step_by(400)
                .zip(services.into_iter().cycle().take(6))
            {
                stack.created(customers).await;
                ends_cleanly(service(stack)).await;
                service(stack).start();
            }
            stack.all_crossed_once(run).await;
            assert_eq!(stack.shop.counts().updated, 0, "something was sent again");
        },
    )
    .await;
}

/// The shop answers late, so that requests are in flight when the signal comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_loader_told_to_end_finishes_the_requests_it_has_in_flight() {
    with_stack(
        StackOptions {
            customers: 300,
            ..StackOptions::default()
        },
        async |stack| {
            stack.shop.set_faults(FaultPlan {
                delay_ms: 700,
                ..FaultPlan::default()
            });
            let run = stack.request_run().await;
            stack.created(16).await;
            ends_cleanly(&mut stack.loader).await;
            let before = stack.shop.counts();
            assert!(
                before.created < 200,
                "it was to end early, and sent {before:?}"
            );
            stack.shop.set_faults(FaultPlan::default());
            stack.start_services().await;
            stack.all_crossed_once(run).await;
            let after = stack.shop.counts();
            assert_eq!(
                (after.updated, after.searched),
                (0, 0),
                "the ledger was left in doubt"
            );
        },
    )
    .await;
}

/// All three in one process, told to end and started again.
#[tokio::test(flavor = "multi_thread")]
async fn pomost_run_told_to_end_under_load_does_so_cleanly_and_goes_on_when_started_again() {
    with_stack(
        StackOptions {
            customers: 2_000,
            ..StackOptions::default()
        },
        async |stack| {
            for service in stack.services() {
                ends_cleanly(service).await;
            }
            stack.crm.set_faults(FaultPlan {
                delay_ms: 200,
                ..FaultPlan::default()
            });
            let run = stack.request_run().await;
            let mut all_in_one = stack.another("pomost").with_arguments(&["run"]);
            for customers in [200, 700, 1_200] {
                all_in_one.start();
                stack.created(customers).await;
                ends_cleanly(&mut all_in_one).await;
            }
            let before = stack.shop.counts();
            assert!(
                before.created < 1_900,
                "it was to end early, and sent {before:?}"
            );
            all_in_one.start();
            stack.settled(run).await;
            ends_cleanly(&mut all_in_one).await;
            stack.all_crossed_once(run).await;
            let counts = stack.shop.counts();
            assert_eq!(
                (counts.updated, counts.searched),
                (0, 0),
                "something was sent again, or left in doubt"
            );
        },
    )
    .await;
}

/// Nothing can be handed back, given back or recorded: what is in hand is left to others.
#[tokio::test(flavor = "multi_thread")]
async fn services_told_to_end_while_the_servers_are_silent_do_so_in_time() {
    amidst_silence(async |stack, all_in_one| {
        let mut services = stack
            .services()
            .into_iter()
            .chain([all_in_one])
            .collect::<Vec<_>>();
        services.iter_mut().for_each(|service| service.ask_to_end());
        for service in services {
            let ended = service.ended().await;
            assert!(
                ended.status.success() && ended.took < LIMIT,
                "{}: {ended:?}",
                service.name
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn services_told_twice_to_end_leave_at_once() {
    amidst_silence(async |stack, all_in_one| {
        for service in stack.services().into_iter().chain([all_in_one]) {
            service.ask_to_end();
            service.wait_for_log("a second signal leaves at once").await;
            let ended = service.terminate().await;
            assert_eq!(
                ended.status.code(),
                Some(130),
                "{}: {ended:?}",
                service.name
            );
            assert!(ended.took < LIMIT / 5, "{}: {ended:?}", service.name);
        }
    })
    .await;
}

/// Under load the servers fall silent, though connections to them stay; in the end they speak again. The
/// three services run, and all of them in one process as well.
async fn amidst_silence(and: impl AsyncFn(&mut Stack, &mut Service)) {
    let [broker, database] =
        ["AMQP_URL", "DATABASE_URL"].map(|url| test_url(&format!("POMOST_TEST_{url}")));
    let wires = [
        Proxy::start(&broker, 5672).await,
        Proxy::start(&database, 5432).await,
    ];
    let (amqp_url, database_url) = (Some(wires[0].url(&broker)), Some(wires[1].url(&database)));
    let edits = &[("flows/customers.yaml", "limit=200", "limit=20")];
    let options = StackOptions {
        customers: 2_000,
        amqp_url,
        database_url,
        edits,
        ..StackOptions::default()
    };
    with_stack(options, async |stack| {
        // It takes 20 seconds to read it all, and who reads has a lease to give back.
        stack.crm.set_faults(FaultPlan {
            delay_ms: 200,
            ..FaultPlan::default()
        });
        let run = stack.request_run().await;
        stack.created(100).await;
        let mut all_in_one = stack.another("pomost").with_arguments(&["run"]);
        all_in_one.start();
        all_in_one.ready().await;
        wires.iter().for_each(|wire| wire.set(WireState::Silent));
        and(stack, &mut all_in_one).await;
        wires.iter().for_each(|wire| wire.set(WireState::Open));
        stack.crm.set_faults(FaultPlan::default());
        stack.start_services().await;
        stack.all_crossed_once(run).await;
    })
    .await;
}

async fn ends_cleanly(service: &mut Service) {
    service.ready().await;
    let ended = service.terminate().await;
    assert!(
        ended.status.success() && ended.took < LIMIT,
        "{}: {ended:?}",
        service.name
    );
}
