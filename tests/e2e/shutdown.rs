//! SIGTERM in the middle of a run.

use std::time::Duration;

use pomost_sandbox::FaultPlan;
use pomost_tests::{
    Proxy, Service, Stack, StackOptions, WireState, pages_and_no_more, test_url, with_stack,
};
use tokio::net::TcpListener;

/// Number of requests that the shop of the example gets at a time.
const IN_FLIGHT: u64 = 16;

/// Time that a service may take to end. Kubernetes grants 30 s and needs some for itself.
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

/// The shop holds its responses back until the loader has heard the signal.
#[tokio::test(flavor = "multi_thread")]
async fn a_loader_told_to_end_finishes_the_requests_it_has_in_flight() {
    let options = StackOptions {
        customers: 300,
        shop_wire: true,
        ..StackOptions::default()
    };
    with_stack(options, async |stack| {
        stack.shop_wire().set(WireState::ResponsesHeld);
        let run = stack.request_run().await;
        stack.created(10).await;
        stack.loader.ask_to_end();
        stack
            .loader
            .wait_for_log("a second signal leaves at once")
            .await;
        stack.shop_wire().set(WireState::Open);
        let exit = stack.loader.ended().await;
        assert!(exit.status.success() && exit.took < LIMIT, "{exit:?}");
        let before = stack.shop.counts();
        assert!(before.created <= IN_FLIGHT, "it began more: {before:?}");
        stack.start_services().await;
        stack.all_crossed_once(run).await;
        let after = stack.shop.counts();
        assert_eq!(
            (after.updated, after.searched),
            (0, 0),
            "the ledger was left in doubt"
        );
    })
    .await;
}

/// One process runs all three services. It is told to end and started again.
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
            let run = stack.request_run().await;
            let mut all_in_one = stack.another("pomost").with_arguments(&["run"]);
            // Each time it ends in the middle of the run.
            for (more_pages, customers) in [(2, 200), (2, 450), (3, 750)] {
                stack.crm.set_faults(pages_and_no_more(more_pages));
                all_in_one.start();
                stack.created(customers).await;
                ends_cleanly(&mut all_in_one).await;
            }
            stack.crm.set_faults(FaultPlan::default());
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

/// Nothing can be handed back, given back or recorded. Others take up what is in hand.
#[tokio::test(flavor = "multi_thread")]
async fn services_told_to_end_while_the_servers_are_silent_do_so_in_time() {
    amidst_silence(&["run"], async |stack, all_in_one| {
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
    amidst_silence(&["run"], async |stack, all_in_one| {
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
        }
    })
    .await;
}

/// The sync runs the services as well, and follows a run that it cannot see any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_told_to_end_while_the_servers_are_silent_does_so_in_time() {
    amidst_silence(&["sync", "customers"], async |_, sync| {
        let ended = sync.terminate().await;
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(ended.took < LIMIT, "{ended:?}");
        sync.wait_for_log("the next sync or run goes on with them")
            .await;
    })
    .await;
}

/// The server accepts connections and says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_to_end_while_it_opens_a_silent_server_does_so_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let options = StackOptions {
        customers: 10,
        ..StackOptions::default()
    };
    with_stack(options, async |stack| {
        let processes: [(_, &'static [&'static str], _); 3] = [
            ("loader", &[], 0),
            ("pomost", &["run"], 0),
            ("pomost", &["sync", "customers"], 1),
        ];
        for (name, arguments, code) in processes {
            let mut process = stack
                .another(name)
                .with_arguments(arguments)
                .with_variable("POMOST_AMQP_URL", format!("amqp://guest@{address}"))
                .with_variable(
                    "POMOST_DATABASE_URL",
                    format!("postgres://guest@{address}/it"),
                );
            process.start();
            let _connection = silent.accept().await.unwrap();
            let ended = process.terminate().await;
            let what = format!("{name} {arguments:?}: {ended:?}: {}", process.log());
            assert_eq!(ended.status.code(), Some(code), "{what}");
            assert!(ended.took < LIMIT, "{what}");
        }
    })
    .await;
}

/// In the middle of a run the servers fall silent while connections to them stay; at the end they
/// respond again. The three services run, and one process that is all of them as well, by these
/// arguments.
async fn amidst_silence(
    all_in_one: &'static [&'static str],
    and: impl AsyncFn(&mut Stack, &mut Service),
) {
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
        // The run is not over, so that the extractor has a lease to give back.
        stack.crm.set_faults(pages_and_no_more(10));
        let run = stack.request_run().await;
        stack.created(100).await;
        let is_sync = all_in_one[0] == "sync";
        let mut all_in_one = stack.another("pomost").with_arguments(all_in_one);
        all_in_one.start();
        match is_sync {
            true => stack.requested(2).await,
            false => drop(all_in_one.ready().await),
        }
        wires.iter().for_each(|wire| wire.set(WireState::Silent));
        and(stack, &mut all_in_one).await;
        wires.iter().for_each(|wire| wire.set(WireState::Open));
        stack.crm.set_faults(FaultPlan::default());
        stack.start_services().await;
        if !is_sync {
            return stack.all_crossed_once(run).await;
        }
        // Its own run reads what the first does, so the counts of the two are shared between them.
        stack.settled(run).await;
        stack.finish().await;
        stack.shop_is_right();
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
