//! Alerts: messages to people about what they have to know.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use pomost_extractor::Scheduling;
use pomost_store::Outage;
use pomost_tests::{eventually, for_a_while};
use serde_json::{Value, json};

use crate::support::{FakeServer, Flow, LOOKUP, Reply, RunningServices, World};

/// A world with so many rows, which sends its alerts to a hook.
async fn world(rows: usize, flow: Flow, hook: &FakeServer, settings: &str) -> World {
    let rows: Vec<Value> = (0..rows)
        .map(|key| json!({ "key": key.to_string() }))
        .collect();
    let world = World::new(
        FakeServer::start(move |_| Reply::rows(rows.clone())).await,
        flow,
    )
    .await;
    world.write(
        ".env",
        &format!(
            "TOKEN=secret-of-the-tests\nALERTS_URL={}/hooks/s3cret\n",
            hook.url
        ),
    );
    world.write(
        "alerts.yaml",
        &format!("url: ${{ALERTS_URL}}\n{settings}\n"),
    );
    world
}

/// A hook that accepts every message.
async fn hook() -> FakeServer {
    FakeServer::start(|_| Reply::of(200, b"ok".to_vec())).await
}

async fn start(world: &World) -> RunningServices {
    world.start_with(Scheduling::On, |broker| broker).await
}

/// Waits until the hook has so many messages; returns their texts.
async fn messages(hook: &FakeServer, count: usize) -> Vec<String> {
    let requests = eventually(async || match hook.requests() {
        requests if requests.len() >= count => Ok(requests),
        requests => Err(format!("{} messages", requests.len())),
    })
    .await;
    let text = |body: &str| {
        serde_json::from_str::<Value>(body).unwrap()["text"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    requests.iter().map(|request| text(&request.body)).collect()
}

/// Waits until the one alert that was sent is recorded, so that it is not sent again.
async fn alert_is_recorded(world: &World) {
    let store = world.backends().await.store;
    eventually(async || match store.alerts().await.unwrap().len() {
        1 => Ok(()),
        alerts => Err(format!("{alerts} alerts")),
    })
    .await;
}

/// Waits until no alert is recorded any more.
async fn no_alert_is_recorded(world: &World) {
    let store = world.backends().await.store;
    eventually(async || match store.alerts().await.unwrap() {
        alerts if alerts.is_empty() => Ok(()),
        alerts => Err(format!("{alerts:?}")),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_told_once_when_it_begins_and_once_when_it_ends() {
    let hook = hook().await;
    let world = world(20, Flow::default(), &hook, "").await;
    world
        .shop
        .intercept(|_| Some(Reply::json(401, &json!({ "error": "who are you?" }))));
    let running = start(&world).await;
    let run = running.request(None).await;
    let first = messages(&hook, 1).await.remove(0);
    assert!(
        first.starts_with("The system shop is down since 20"),
        "{first}"
    );
    assert!(
        first.contains("shop: POST /things answered 401 Unauthorized. Mend its credentials"),
        "{first}"
    );
    alert_is_recorded(&world).await;
    world.shop.mend();
    running.ended(run).await;
    no_alert_is_recorded(&world).await;
    running.stop().await;
    assert_eq!(
        messages(&hook, 2).await,
        [first.clone(), format!("Over: {first}")]
    );
    let request = &hook.requests()[0];
    assert_eq!(
        (request.path.as_str(), &*request.headers["content-type"]),
        ("/hooks/s3cret", "application/json")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_endpoint_that_refuses_us_is_told_once_with_its_reason_and_once_when_it_is_over() {
    let hook = hook().await;
    let is_refused = Arc::new(AtomicBool::new(true));
    let refused = is_refused.clone();
    let authority = FakeServer::start(move |_| match refused.load(Ordering::Relaxed) {
        true => Reply::json(
            400,
            &json!({ "error": "invalid_client", "error_description": "no secret-of-the-tests" }),
        ),
        false => Reply::json(200, &json!({ "access_token": "token-1" })),
    })
    .await;
    let world = world(1, Flow::default(), &hook, "").await;
    let (url, token_url) = (&world.shop.server.url, &authority.url);
    let auth = format!(
        "oauth2: {{ grant: client_credentials, token_url: {token_url}, client_id: us, client_secret: '${{TOKEN}}', \
         client_auth: body }}"
    );
    world.write(
        "systems/shop.yaml",
        &format!("system: shop\nbase_url: {url}\nauth: {{ {auth} }}\n"),
    );
    let running = start(&world).await;
    let run = running.request(None).await;
    let first = messages(&hook, 1).await.remove(0);
    let reason = "shop: the token endpoint at 127.0.0.1 answers 400 Bad Request: invalid_client no ***. Mend its";
    assert!(first.contains(reason), "{first}");
    alert_is_recorded(&world).await;
    is_refused.store(false, Ordering::Relaxed);
    running.ended(run).await;
    no_alert_is_recorded(&world).await;
    running.stop().await;
    assert_eq!(
        messages(&hook, 2).await,
        [first.clone(), format!("Over: {first}")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_dead_letters_is_told_until_somebody_has_seen_to_it() {
    let hook = hook().await;
    let world = world(
        5,
        Flow::default(),
        &hook,
        "dead_letters: { count: 4, within: 1h }",
    )
    .await;
    world
        .shop
        .fail("POST", 4, || Reply::json(422, &json!({ "error": "no" })));
    let running = start(&world).await;
    let run = running.request(None).await;
    running.ended(run).await;
    let first = messages(&hook, 1).await.remove(0);
    assert!(
        first.starts_with("The flow things has 4 dead letters of the last 1h"),
        "{first}"
    );
    alert_is_recorded(&world).await;
    assert_eq!(
        world
            .pomost(&["dead", "discard", "--flow", "things"])
            .await
            .code,
        0
    );
    no_alert_is_recorded(&world).await;
    running.stop().await;
    assert_eq!(
        messages(&hook, 2).await,
        [first.clone(), format!("Over: {first}")]
    );
}

/// Has a flow alerted as overdue, since its destination answers every request with a status. Returns
/// the alert as well.
async fn overdue_because_of(status: u16) -> (FakeServer, World, RunningServices, String) {
    let hook = hook().await;
    let flow = Flow {
        extract: "schedule: { every: 1s }",
        ..Flow::default()
    };
    let world = world(1, flow, &hook, "overdue: 2").await;
    let reply = move |_: &_| Some(Reply::json(status, &json!({})));
    world.shop.intercept(reply);
    let running = start(&world).await;
    let first = messages(&hook, 1).await.remove(0);
    assert!(
        first.starts_with("The flow things has not succeeded for 2 of its intervals, never"),
        "{first}"
    );
    (hook, world, running, first)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_does_not_succeed_any_more_is_told_until_it_does() {
    let (hook, world, running, first) = overdue_because_of(429).await;
    world.shop.mend();
    assert_eq!(messages(&hook, 2).await[1], format!("Over: {first}"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_whose_records_all_die_is_overdue() {
    let (_hook, _world, running, _) = overdue_because_of(422).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_does_not_take_a_message_gets_it_again_and_holds_up_nothing() {
    let refused = Arc::new(AtomicUsize::new(0));
    let counted = refused.clone();
    let hook = FakeServer::start(move |_| match counted.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::json(500, &json!({})),
        _ => Reply::of(200, b"ok".to_vec()),
    })
    .await;
    let world = world(
        4,
        Flow::default(),
        &hook,
        "dead_letters: { count: 1, within: 1h }",
    )
    .await;
    world.shop.fail("POST", 1, || Reply::json(422, &json!({})));
    let running = start(&world).await;
    let first = running.request(None).await;
    running.ended(first).await;
    let twice = messages(&hook, 2).await;
    assert_eq!(twice[0], twice[1]);
    let store = world.backends().await.store;
    let stands = eventually(async || match store.alerts().await.unwrap().as_slice() {
        [alert] => Ok(alert.text.clone()),
        alerts => Err(format!("{alerts:?}")),
    })
    .await;
    assert_eq!(stands, twice[0]);
    running.stop().await;
}

/// The refused message is repeated each time, and the others are sent all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_hook_never_takes_holds_up_no_other() {
    let hook = FakeServer::start(|request| match request.body.contains("dead letters") {
        true => Reply::json(400, &json!({})),
        false => Reply::of(200, b"ok".to_vec()),
    })
    .await;
    let world = world(
        20,
        Flow::default(),
        &hook,
        "dead_letters: { count: 1, within: 1h }",
    )
    .await;
    world.shop.fail("POST", 1, || Reply::json(422, &json!({})));
    let running = start(&world).await;
    let run = running.request(None).await;
    running.ended(run).await;
    messages(&hook, 1).await;
    let store = world.backends().await.store;
    store
        .begin_outage("shop", "transient", "it was down", Outage::FORGOTTEN_AFTER)
        .await
        .unwrap();
    eventually(async || {
        match messages(&hook, 1)
            .await
            .iter()
            .any(|text| text.contains("shop is down"))
        {
            true => Ok(()),
            false => Err("the outage is not told"),
        }
    })
    .await;
    running.stop().await;
}

/// The next process does not know since when the flow is overdue, which has never succeeded.
#[tokio::test(flavor = "multi_thread")]
async fn a_flow_that_stays_overdue_is_not_told_again_by_the_next_process() {
    let hook = hook().await;
    let flow = Flow {
        extract: "schedule: { every: 1s }",
        load: LOOKUP,
        ..Flow::default()
    };
    let world = world(1, flow, &hook, "overdue: 2").await;
    // The kill leaves a request in doubt for as long as its time-out.
    world.set_shop_timeout("2s");
    world.shop.intercept(|_| Some(Reply::json(429, &json!({}))));
    let running = world.start_to_be_killed(Scheduling::On).await;
    let first = messages(&hook, 1).await.remove(0);
    alert_is_recorded(&world).await;
    running.kill().await;
    let running = start(&world).await;
    for_a_while(async || assert_eq!(messages(&hook, 1).await, std::slice::from_ref(&first))).await;
    world.shop.mend();
    assert_eq!(messages(&hook, 2).await[1], format!("Over: {first}"));
    running.stop().await;
}

/// The process that sent the alert was killed; the next one does not send it again.
#[tokio::test(flavor = "multi_thread")]
async fn what_stands_is_not_told_again_by_the_next_process() {
    let hook = hook().await;
    let world = world(
        1,
        Flow::default(),
        &hook,
        "dead_letters: { count: 1, within: 1h }",
    )
    .await;
    world.shop.fail("POST", 1, || Reply::json(422, &json!({})));
    let running = world.start_to_be_killed(Scheduling::On).await;
    let run = running.request(None).await;
    running.ended(run).await;
    let first = messages(&hook, 1).await.remove(0);
    alert_is_recorded(&world).await;
    running.kill().await;
    let running = start(&world).await;
    assert_eq!(
        world
            .pomost(&["dead", "discard", "--flow", "things"])
            .await
            .code,
        0
    );
    no_alert_is_recorded(&world).await;
    running.stop().await;
    assert_eq!(
        messages(&hook, 2).await,
        [first.clone(), format!("Over: {first}")]
    );
}
