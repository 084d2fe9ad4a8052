//! A system that is down: its flows wait at no cost, and other flows go on.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use pomost_http::{BreakerTiming, ClientOptions};
use pomost_models::RunTrigger;
use pomost_runtime::Backends;
use pomost_store::{Outage, RunRequest, RunState, Store};
use pomost_tests::eventually;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::{
    CommandOutput, FakeServer, Flow, ReceivedRequest, Reply, Rows, World, outcomes,
    wait_for_requests,
};

/// Number of requests that may be in flight when a system is seen to be down.
const IN_FLIGHT: usize = 16;

/// The time until the first probe of a system that is down.
const FIRST_REST: Duration = Duration::from_secs(1);

const ROWS: usize = 100;

/// A world with several batches of rows: more than the failures that show that a system is down.
async fn world(flow: Flow) -> (World, Rows) {
    let rows: [Value; ROWS] = std::array::from_fn(|key| json!({ "key": format!("k{key:03}") }));
    World::with_rows(rows, flow).await
}

fn one_attempt() -> Flow {
    Flow {
        load: "retry: { attempts: 1 }",
        rest: "batch_size: 20",
        ..Flow::default()
    }
}

fn failing(status: u16) -> impl Fn(&ReceivedRequest) -> Option<Reply> {
    move |_| Some(Reply::json(status, &json!({ "error": "not now" })))
}

/// Waits until exactly these systems are down; returns the reasons.
async fn down(backends: &Backends, systems: &[&str]) -> Vec<String> {
    eventually(async || {
        let outages = backends
            .store
            .outages(Outage::FORGOTTEN_AFTER)
            .await
            .unwrap();
        let names: Vec<&str> = outages.iter().map(|outage| &*outage.system).collect();
        match names == systems {
            true => Ok(outages.into_iter().map(|outage| outage.reason).collect()),
            false => Err(format!("{names:?} are down")),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_costs_no_attempt_and_no_dead_letter_and_ends_by_itself() {
    let (large, small) = ("batch_size: 20", "batch_size: 1");
    // Of small batches some are over before it is seen that the system is down; it is by the time
    // they come again.
    tokio::join!(
        ends_by_itself(500, large, 0, 2),
        ends_by_itself(401, large, 0, 2),
        ends_by_itself(500, small, 5, 1)
    );
}

async fn ends_by_itself(status: u16, rest: &'static str, retry_after: u32, probes_awaited: usize) {
    let (world, _) = world(Flow {
        rest,
        ..one_attempt()
    })
    .await;
    let failing = failing(status);
    world
        .shop
        .intercept(move |request| Some(failing(request)?.with("retry-after", retry_after)));
    let (running, began) = (world.start().await, Instant::now());
    let run = running.request(None).await;
    let backends = world.backends().await;
    let why = down(&backends, &["shop"]).await.remove(0);
    assert!(
        why.starts_with(&format!("shop: POST /things answered {status}")),
        "{why}"
    );
    let first = world.shop.server.requests().len();
    // A probe may have come since, after each rest.
    let probes = usize::try_from(began.elapsed().as_secs() / FIRST_REST.as_secs()).unwrap();
    assert!(
        (10..=IN_FLIGHT + 9 + probes).contains(&first),
        "{first} requests until it was seen to be down"
    );
    wait_for_requests(&world.shop.server, first + probes_awaited).await;
    world.shop.mend();
    assert_eq!(
        outcomes(&running.ended(run).await),
        [("created", ROWS as u64)],
        "{status}, {rest}"
    );
    running.stop().await;
    down(&backends, &[]).await;
    assert!(world.dead().await.is_empty());
    let things: BTreeSet<String> = world.shop.things().into_iter().collect();
    assert_eq!((things.len(), world.shop.things().len()), (ROWS, ROWS));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_that_nobody_listens_for_is_down_as_well() {
    let (world, _) = world(one_attempt()).await;
    let (system, gone) = (world.system("shop"), world.shop.server.url.clone());
    world.write(
        "systems/shop.yaml",
        &system.replace(&gone, "http://127.0.0.1:1"),
    );
    let running = world.start().await;
    let run = running.request(None).await;
    let backends = world.backends().await;
    let why = down(&backends, &["shop"]).await.remove(0);
    assert!(why.starts_with("shop: POST /things: "), "{why}");
    running.stop().await;
    world.write("systems/shop.yaml", &system);
    assert_eq!(
        outcomes(&world.finish(run).await),
        [("created", ROWS as u64)]
    );
    down(&backends, &[]).await;
}

/// The messages stay in their queue, but for one at a time that probes.
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_be_written_is_an_outage_that_ends_by_itself() {
    let (world, _) = world(Flow::default()).await;
    world.write(
        "flows/things.yaml",
        "flow: things\nextract: { system: source, request: GET /rows, records: '.rows[]', key: .key }\n\
         batch_size: 2\nload:\n  retry: { attempts: 1 }\n  files: { directory: reports, format: jsonl }\n",
    );
    world.write("reports", "not a directory");
    let running = world.start().await;
    let run = running.request(None).await;
    let backends = world.backends().await;
    let why = down(&backends, &["things (files)"]).await.remove(0);
    assert!(why.starts_with("the directory "), "{why}");
    let said = world.pomost(&["status"]).await;
    assert!(said.out.contains("waits for things (files)"), "{said:?}");
    std::fs::remove_file(world.directory().join("reports")).unwrap();
    assert_eq!(
        outcomes(&running.ended(run).await),
        [("created", ROWS as u64)]
    );
    running.stop().await;
    down(&backends, &[]).await;
    assert!(world.dead().await.is_empty());
}

/// Three runs of another flow end one after the other, while the shop gets few requests.
#[tokio::test(flavor = "multi_thread")]
async fn other_flows_go_on_while_a_system_is_down() {
    let (world, rows) = world(one_attempt()).await;
    world.shop.intercept(failing(500));
    let depot = FakeServer::start(|_| Reply::json(201, &json!({ "id": "d1" }))).await;
    world.write(
        "systems/depot.yaml",
        &format!("system: depot\nbase_url: {}\n", depot.url),
    );
    let other = world
        .flow_text()
        .replace("flow: things", "flow: others")
        .replace("system: shop", "system: depot");
    world.write("flows/others.yaml", &other);
    let running = world.start().await;
    let waiting = running.request(None).await;
    let backends = world.backends().await;
    down(&backends, &["shop"]).await;
    for round in 1..=3 {
        let request = RunRequest {
            flow: "others".into(),
            trigger: RunTrigger::Manual,
            since: None,
        };
        let run = backends.store.request_run(&request).await.unwrap();
        running.ended(run).await;
        assert_eq!(depot.count_method("POST"), ROWS * round);
        rows.set(std::array::from_fn::<_, ROWS, _>(
            |key| json!({ "key": format!("k{round}{key:03}") }),
        ));
    }
    down(&backends, &["shop"]).await;
    let tried = world.shop.server.requests().len();
    assert!(tried < ROWS, "the shop was asked {tried} times");
    world.shop.mend();
    assert_eq!(
        outcomes(&running.ended(waiting).await),
        [("created", ROWS as u64)]
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_fails_while_others_succeed_is_dead_when_its_attempts_are_used_up() {
    let (world, _) = world(one_attempt()).await;
    world.shop.intercept(|request| {
        request
            .body
            .contains("k007")
            .then(|| Reply::json(500, &json!({})))
    });
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", ROWS as u64 - 1), ("dead", 1)]
    );
    assert_eq!(
        world
            .backends()
            .await
            .store
            .outages(Outage::FORGOTTEN_AFTER)
            .await
            .unwrap(),
        []
    );
}

/// Three times the system accepts one request and fails ten more and the one in flight. The first
/// failure of a record does not count towards its attempts.
#[tokio::test(flavor = "multi_thread")]
async fn a_system_that_goes_down_again_costs_one_record_an_attempt() {
    let (world, _) = world(Flow {
        rest: "batch_size: 100",
        ..one_attempt()
    })
    .await;
    world.write(
        "systems/shop.yaml",
        &format!("{}concurrency: 2\n", world.system("shop")),
    );
    let asked = AtomicUsize::new(0);
    world.shop.intercept(move |_| {
        let number = asked.fetch_add(1, Ordering::Relaxed);
        let failing = || Reply::json(500, &json!({})).with("retry-after", "1");
        (number < 3 * 12 && !number.is_multiple_of(12)).then(failing)
    });
    let outcomes = outcomes(&world.sync().await);
    let dead = outcomes
        .iter()
        .find(|(outcome, _)| *outcome == "dead")
        .map_or(0, |(_, records)| *records);
    assert!(dead <= 2, "{outcomes:?}");
}

/// Tries a system that is down many times a second, and counts a failed probe after some time of
/// failures.
fn impatient(charge_after: Duration) -> ClientOptions {
    let breaker = BreakerTiming {
        first_rest: Duration::from_millis(10),
        longest_rest: Duration::from_millis(50),
        charge_after,
    };
    ClientOptions {
        breaker,
        ..ClientOptions::default()
    }
}

/// Number of records that always fail: enough for the shop to seem down again and again.
const BAD: u64 = 5;

fn failing_bad_ones(request: &ReceivedRequest) -> Option<Reply> {
    let is_bad = (0..BAD).any(|key| request.body.contains(&format!("k00{key}")));
    is_bad.then(|| Reply::json(500, &json!({})).with("retry-after", "1"))
}

/// Other records, of another flow as well, cross all the while.
#[tokio::test(flavor = "multi_thread")]
async fn records_that_always_fail_die_in_the_end_and_hold_up_nobody() {
    let (world, rows) = world(one_attempt()).await;
    world.shop.intercept(failing(500));
    let others = Flow {
        transform: "map: 'select(.key >= \"k005\")'",
        ..one_attempt()
    };
    world.write(
        "flows/others.yaml",
        &others.text().replace("flow: things", "flow: others"),
    );
    let days = Duration::from_secs(7 * 24 * 3600);
    let running = world.start_clients(&impatient(days)).await;
    let run = running.request(None).await;
    down(&world.backends().await, &["shop"]).await;
    world.shop.intercept(failing_bad_ones);
    let store = world.backends().await.store;
    for round in 0.. {
        let request = RunRequest {
            flow: "others".into(),
            trigger: RunTrigger::Manual,
            since: None,
        };
        let written = if round == 0 { "created" } else { "updated" };
        let summary = running
            .ended(store.request_run(&request).await.unwrap())
            .await;
        assert_eq!(
            outcomes(&summary),
            [(written, ROWS as u64 - BAD), ("filtered", BAD)]
        );
        if store.run(run).await.unwrap().unwrap().state == RunState::Settled {
            break;
        }
        rows.set(std::array::from_fn::<_, ROWS, _>(
            |key| json!({ "key": format!("k{key:03}"), "n": round }),
        ));
    }
    assert_eq!(
        outcomes(&running.ended(run).await),
        [("created", ROWS as u64 - BAD), ("dead", BAD)]
    );
    running.stop().await;
    down(&world.backends().await, &[]).await;
}

/// Nothing else is asked of their system, which therefore looks like one that is down.
#[tokio::test(flavor = "multi_thread")]
async fn records_that_always_fail_die_in_the_end_when_they_are_alone() {
    let rows: [Value; BAD as usize] =
        std::array::from_fn(|key| json!({ "key": format!("k{key:03}") }));
    let (world, _) = World::with_rows(rows, one_attempt()).await;
    world.shop.intercept(failing_bad_ones);
    let running = world.start_clients(&impatient(Duration::ZERO)).await;
    let run = running.request(None).await;
    down(&world.backends().await, &["shop"]).await;
    assert_eq!(outcomes(&running.ended(run).await), [("dead", BAD)]);
    running.stop().await;
    assert_eq!(world.dead().await.len() as u64, BAD);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_waits_for_a_source_that_is_down_and_status_says_so() {
    for status in [401, 500] {
        let (open, is_open) = watch::channel(false);
        let world = world_of_details(status, is_open).await;
        let running = world.start().await;
        let run = running.request(None).await;
        let backends = world.backends().await;
        down(&backends, &["source"]).await;
        let said = world.pomost(&["status"]).await;
        let answered = format!("source: GET /rows/{{.key}} answered {status}");
        for text in [
            "SYSTEM  DOWN SINCE",
            &answered,
            "no records, waits for source",
        ] {
            assert!(said.out.contains(text), "{text} is not in {said:?}");
        }
        let advice =
            "source does not let us in: mend the credentials that systems/source.yaml refers to";
        assert_eq!(said.out.contains(advice), status == 401, "{said:?}");
        open.send_replace(true);
        assert_eq!(
            outcomes(&running.ended(run).await),
            [("created", ROWS as u64)]
        );
        running.stop().await;
        down(&backends, &[]).await;
    }
}

/// A world whose source is asked for the details of each row and replies with this status until it
/// is open.
async fn world_of_details(status: u16, is_open: watch::Receiver<bool>) -> World {
    let rows: Vec<Value> = (0..ROWS)
        .map(|key| json!({ "key": key.to_string() }))
        .collect();
    let source = FakeServer::start(move |request| {
        match (request.path.strip_prefix("/rows/"), *is_open.borrow()) {
            (None, _) => Reply::rows(rows.clone()),
            (Some(key), true) => Reply::json(200, &json!({ "key": key })),
            (Some(_), false) => Reply::json(status, &json!({ "error": "not now" })),
        }
    });
    let extract = r#"fetch: { request: "GET /rows/{.key}" }"#;
    World::new(
        source.await,
        Flow {
            extract,
            ..Flow::default()
        },
    )
    .await
}

/// A token endpoint that replies with this status until it is open.
async fn token_endpoint(is_open: watch::Receiver<bool>, status: u16) -> FakeServer {
    FakeServer::start(move |_| match *is_open.borrow() {
        true => Reply::json(
            200,
            &json!({ "access_token": "token-1", "expires_in": 3600 }),
        ),
        false => Reply::json(status, &json!({ "error": "invalid_client" })),
    })
    .await
}

/// Makes the requests of a system need tokens of a token endpoint.
fn needs_tokens(world: &World, system: &str, url: &str, endpoint: &FakeServer) {
    let auth = format!(
        "auth: {{ oauth2: {{ grant: client_credentials, token_url: '{}/token', client_id: us, client_secret: \
         '${{TOKEN}}' }} }}",
        endpoint.url
    );
    world.write(
        &format!("systems/{system}.yaml"),
        &format!("system: {system}\nbase_url: {url}\n{auth}\n"),
    );
}

const UNTIL_OPEN: [(u16, &str, bool); 2] = [
    (
        401,
        "the token endpoint at 127.0.0.1 answers 401 Unauthorized: invalid_client",
        true,
    ),
    (
        500,
        "the token endpoint at 127.0.0.1 answers 500 Internal Server Error: invalid_client",
        false,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_run_waits_for_tokens_from_its_first_request_on_and_status_and_sync_say_so() {
    for (status, answered, is_of_credentials) in UNTIL_OPEN {
        let (open, is_open) = watch::channel(false);
        let endpoint = token_endpoint(is_open, status).await;
        let (world, _) = World::with_rows([json!({ "key": "a" })], Flow::default()).await;
        needs_tokens(&world, "source", &world.source.url, &endpoint);
        let mut command = world.command(&["sync", "things"]);
        let syncing = tokio::spawn(async move { command.output().await.unwrap() });
        let backends = world.backends().await;
        assert_eq!(
            down(&backends, &["source"]).await,
            [format!("source: {answered}")]
        );
        let said = world.pomost(&["status"]).await;
        let since = backends
            .store
            .outages(Outage::FORGOTTEN_AFTER)
            .await
            .unwrap()
            .remove(0)
            .since;
        for text in [
            answered,
            &format!("no records, waits for source since {since:.0}"),
        ] {
            assert!(said.out.contains(text), "{text} is not in {said:?}");
        }
        let advice = "source does not let us in: mend the credentials";
        assert_eq!(said.out.contains(advice), is_of_credentials, "{said:?}");
        wait_for_requests(&endpoint, 2).await;
        open.send_replace(true);
        let synced = CommandOutput::of(syncing.await.unwrap());
        assert_eq!(
            (synced.code, world.shop.things().len()),
            (0, 1),
            "{synced:?}"
        );
        let waits =
            format!("things: waits for source, which is down since {since:.0}: source: {answered}");
        assert_eq!(synced.err.matches(&waits).count(), 1, "{synced:?}");
        down(&backends, &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_without_tokens_costs_no_attempt_and_is_asked_for_them_by_one_request_at_a_time()
 {
    for (status, answered, _) in UNTIL_OPEN {
        let (open, is_open) = watch::channel(false);
        let endpoint = token_endpoint(is_open, status).await;
        let (world, _) = world(one_attempt()).await;
        needs_tokens(&world, "shop", &world.shop.server.url, &endpoint);
        let running = world.start().await;
        let run = running.request(None).await;
        let backends = world.backends().await;
        assert_eq!(
            down(&backends, &["shop"]).await,
            [format!("shop: {answered}")]
        );
        wait_for_requests(&endpoint, 3).await;
        let (tried, written) = (
            endpoint.requests().len(),
            world.shop.server.requests().len(),
        );
        assert!(
            tried < 10 && written == 0,
            "asked for tokens {tried} times, {written} requests"
        );
        open.send_replace(true);
        assert_eq!(
            outcomes(&running.ended(run).await),
            [("created", ROWS as u64)],
            "{status}"
        );
        running.stop().await;
        down(&backends, &[]).await;
        assert!(world.dead().await.is_empty());
        assert_eq!(world.shop.things().len(), ROWS);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_that_a_killed_process_left_behind_ends_with_the_first_success() {
    let (world, _) = world(Flow::default()).await;
    let store: Arc<dyn Store> = world.backends().await.store;
    for system in ["shop", "source"] {
        store
            .begin_outage(system, "transient", "it was down", Outage::FORGOTTEN_AFTER)
            .await
            .unwrap();
    }
    assert_eq!(outcomes(&world.sync().await), [("created", ROWS as u64)]);
    down(&world.backends().await, &[]).await;
}
