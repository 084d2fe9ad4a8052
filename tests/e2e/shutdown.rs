//! SIGTERM in the middle of the work.

use std::time::Duration;

use pomost_sandbox::FaultPlan;
use pomost_tests::{Flow, Options, Proxy, Service, Stack, prove, test_url};
use tokio::net::TcpListener;

/// Kubernetes grants 30 s, and wants some for itself.
const LIMIT: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread")]
async fn services_told_to_end_under_load_do_so_cleanly_and_are_continued() {
    prove(
        Options {
            customers: 3_000,
            ..Options::default()
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
    prove(
        Options {
            customers: 300,
            ..Options::default()
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
    prove(
        Options {
            customers: 2_000,
            ..Options::default()
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
            let mut all_in_one = stack.another("pomost").with(&["run"]);
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
            service.says("a second signal leaves at once").await;
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

/// It runs the services as well, and follows a run that it cannot see any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_told_to_end_while_the_servers_are_silent_does_so_in_time() {
    amidst_silence(&["sync", "customers"], async |_, sync| {
        let ended = sync.terminate().await;
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(ended.took < LIMIT, "{ended:?}");
        sync.says("the next sync or run goes on with them").await;
    })
    .await;
}

/// A server that takes connections and says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_to_end_while_it_opens_a_silent_server_does_so_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let options = Options {
        customers: 10,
        ..Options::default()
    };
    prove(options, async |stack| {
        let processes: [(_, &'static [&'static str], _); 3] = [
            ("loader", &[], 0),
            ("pomost", &["run"], 0),
            ("pomost", &["sync", "customers"], 1),
        ];
        for (name, arguments, code) in processes {
            let mut process = stack
                .another(name)
                .with(arguments)
                .told("POMOST_AMQP_URL", format!("amqp://guest@{address}"))
                .told(
                    "POMOST_DATABASE_URL",
                    format!("postgres://guest@{address}/it"),
                );
            process.start();
            let _connection = silent.accept().await.unwrap();
            let ended = process.terminate().await;
            let what = format!("{name} {arguments:?}: {ended:?}: {}", process.log());
            assert_eq!(ended.status.code(), Some(code), "{what}");
            assert!(ended.took < LIMIT / 5, "{what}");
        }
    })
    .await;
}

/// Under load the servers fall silent, though connections to them stay; in the end they speak again. The
/// three services run, and all of them in one process as well, by these arguments.
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
    let options = Options {
        customers: 2_000,
        amqp_url,
        database_url,
        edits,
        ..Options::default()
    };
    prove(options, async |stack| {
        // It takes 20 seconds to read it all, and who reads has a lease to give back.
        stack.crm.set_faults(FaultPlan {
            delay_ms: 200,
            ..FaultPlan::default()
        });
        let run = stack.request_run().await;
        stack.created(100).await;
        let is_sync = all_in_one[0] == "sync";
        let mut all_in_one = stack.another("pomost").with(all_in_one);
        all_in_one.start();
        match is_sync {
            true => stack.requested(2).await,
            false => drop(all_in_one.ready().await),
        }
        wires.iter().for_each(|wire| wire.set(Flow::Silent));
        and(stack, &mut all_in_one).await;
        wires.iter().for_each(|wire| wire.set(Flow::Free));
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
