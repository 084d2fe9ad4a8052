//! Requests for many records.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

use crate::support::{FakeServer, Flow, LOOKUP, ReceivedRequest, Reply, World, outcomes};

/// Creates go together, and each update by itself.
const CREATES: &str = r#"create:
  request: POST /batch
  body: "{ things: [.[] | .data + { ref: .key }] }"
  id: .id
update: { request: "PUT /things/{$id}" }
batch:
  size: 40
  results: .results[]
  key: .ref
  rejected: .error
  verdicts:
    - { when: .code == 429, means: throttled }
    - { when: .code == 409, means: conflict }"#;

/// All requests go together; one that does not fail is accepted.
const EVERYTHING: &str = r#"create: { request: PUT /all }
update: { request: PUT /all }
delete: { request: POST /all/delete, body: "[.[] | .id]" }
batch: { size: 100 }"#;

fn creates() -> Flow {
    Flow {
        writes: CREATES,
        load: LOOKUP,
        ..Flow::default()
    }
}

fn everything() -> Flow {
    Flow {
        writes: EVERYTHING,
        extract: "deleted: .gone == true",
        ..Flow::default()
    }
}

fn thing(number: usize) -> Value {
    json!({ "key": format!("k{number:03}"), "n": number })
}

/// A source of things that a test can change.
async fn source(things: Vec<Value>) -> (FakeServer, Arc<Mutex<Vec<Value>>>) {
    let things = Arc::new(Mutex::new(things));
    let listed = things.clone();
    (
        FakeServer::start(move |_| Reply::rows(listed.lock().unwrap().clone())).await,
        things,
    )
}

async fn world(count: usize, flow: Flow) -> (World, Arc<Mutex<Vec<Value>>>) {
    let (source, things) = source((1..=count).map(thing).collect()).await;
    (World::new(source, flow).await, things)
}

/// The things in a request for many records.
fn things_in(request: &ReceivedRequest) -> Vec<Value> {
    let body: Value = serde_json::from_str(&request.body).unwrap();
    body.get("things")
        .unwrap_or(&body)
        .as_array()
        .unwrap()
        .clone()
}

/// The verdict on a thing that is created under its number.
fn accepted(thing: &Value) -> Value {
    json!({ "ref": thing["ref"], "id": format!("i{}", thing["n"]) })
}

fn verdicts(request: &ReceivedRequest, verdict: impl Fn(&Value) -> Value) -> Reply {
    // They come in any order.
    let verdicts: Vec<Value> = things_in(request).iter().rev().map(verdict).collect();
    Reply::json(207, &json!({ "results": verdicts }))
}

/// Makes the shop return a verdict on each thing of a batch.
fn return_verdicts(world: &World, verdict: impl Fn(&Value) -> Value + Send + Sync + 'static) {
    world
        .shop
        .intercept(move |request| (request.path == "/batch").then(|| verdicts(request, &verdict)));
}

fn sizes(world: &World) -> Vec<usize> {
    let requests = world.shop.server.requests();
    let mut sizes: Vec<usize> = requests
        .iter()
        .filter(|request| request.path == "/batch")
        .map(|request| things_in(request).len())
        .collect();
    sizes.sort_unstable();
    sizes
}

#[tokio::test(flavor = "multi_thread")]
async fn many_records_go_with_one_request_and_each_gets_its_id_from_its_verdict() {
    let (world, things) = world(150, creates()).await;
    return_verdicts(&world, accepted);
    assert_eq!(outcomes(&world.sync().await), [("created", 150)]);
    assert_eq!(sizes(&world), [10, 20, 40, 40, 40]);
    world.shop.put("i7", thing(7));
    things.lock().unwrap()[6]["n"] = json!(70);
    assert_eq!(
        outcomes(&world.sync().await),
        [("updated", 1), ("unchanged", 149)]
    );
    assert_eq!(world.shop.things(), [r#"{"key":"k007","n":70}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_rejected_dies_alone_and_one_that_is_throttled_comes_again() {
    let (world, _) = world(10, creates()).await;
    let throttled = Mutex::new(true);
    return_verdicts(&world, move |thing| match thing["n"].as_u64().unwrap() {
        3 => json!({ "ref": thing["ref"], "error": { "field": "n", "message": "no threes" } }),
        4 if std::mem::take(&mut *throttled.lock().unwrap()) => {
            json!({ "ref": thing["ref"], "code": 429 })
        }
        _ => accepted(thing),
    });
    assert_eq!(outcomes(&world.sync().await), [("created", 9), ("dead", 1)]);
    assert_eq!(sizes(&world), [1, 10]);
    let dead = world.only_dead().await;
    assert_eq!(
        (dead.key(), dead.reason.as_str(), dead.attempts),
        ("k003", "invalid", 1)
    );
    assert!(
        dead.error.contains("POST /batch") && dead.error.contains("no threes"),
        "{}",
        dead.error
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_can_say_that_the_destination_has_the_record_already() {
    let (world, _) = world(3, creates()).await;
    world.shop.put("old", json!({ "key": "k002", "n": 0 }));
    return_verdicts(&world, |thing| match thing["n"] == 2 {
        true => json!({ "ref": thing["ref"], "code": 409, "error": "exists" }),
        false => accepted(thing),
    });
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", 2), ("updated", 1)]
    );
    assert_eq!(world.shop.things(), [r#"{"key":"k002","n":2}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_as_a_whole_is_halved_until_it_is_known_who_is_at_fault() {
    let (world, _) = world(
        64,
        Flow {
            writes: EVERYTHING,
            ..Flow::default()
        },
    )
    .await;
    let taken: Arc<Mutex<BTreeMap<u64, usize>>> = Arc::default();
    let (kept, bad) = (taken.clone(), |number: u64| number == 5 || number == 40);
    world.shop.intercept(move |request| {
        let numbers: Vec<u64> = things_in(request)
            .iter()
            .map(|thing| thing["n"].as_u64().unwrap())
            .collect();
        if numbers.iter().any(|number| bad(*number)) {
            return Some(Reply::json(422, &json!({ "error": "one of them is bad" })));
        }
        numbers
            .into_iter()
            .for_each(|number| *kept.lock().unwrap().entry(number).or_default() += 1);
        Some(Reply::json(200, &json!({})))
    });
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", 62), ("dead", 2)]
    );
    let mut dead: Vec<String> = world
        .dead()
        .await
        .iter()
        .map(|letter| letter.key().to_owned())
        .collect();
    dead.sort();
    assert_eq!(dead, ["k005", "k040"]);
    assert!(taken.lock().unwrap().values().all(|times| *times == 1));
    let requests = world.shop.server.requests().len();
    assert!(requests <= 1 + 2 * 2 * 6, "{requests} requests for 2 of 64");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_answer_is_lost_is_looked_up_and_nothing_is_made_twice() {
    let (world, _) = world(5, creates()).await;
    world.set_shop_timeout("4s");
    let made: Arc<Mutex<Vec<Value>>> = Arc::default();
    let kept = made.clone();
    world
        .shop
        .intercept(move |request| match (&*request.method, &*request.path) {
            ("POST", "/batch") => {
                let mut made = kept.lock().unwrap();
                let is_first = made.is_empty();
                // Of the first batch three are made, then the connection breaks.
                let things = things_in(request);
                made.extend(things.into_iter().take(if is_first { 3 } else { 5 }));
                Some(if is_first {
                    Reply::broken_off()
                } else {
                    verdicts(request, accepted)
                })
            }
            ("GET", "/things") => {
                let made = kept.lock().unwrap();
                let found = made
                    .iter()
                    .find(|thing| thing["key"] == request.query["key"]);
                Some(Reply::json(
                    200,
                    &json!({ "found": found.map(|thing| format!("i{}", thing["n"])) }),
                ))
            }
            ("PUT", _) => Some(Reply::json(200, &json!({}))),
            _ => None,
        });
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", 2), ("updated", 3)]
    );
    let mut keys: Vec<String> = made
        .lock()
        .unwrap()
        .iter()
        .map(|thing| thing["key"].to_string())
        .collect();
    keys.sort();
    assert_eq!(
        keys,
        (1..=5)
            .map(|number| format!("\"k{number:03}\""))
            .collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_without_a_verdict_is_in_doubt() {
    let (world, _) = world(
        3,
        Flow {
            load: "",
            ..creates()
        },
    )
    .await;
    world.shop.intercept(|request| {
        let verdicts: Vec<Value> = things_in(request).iter().skip(1).map(accepted).collect();
        Some(Reply::json(200, &json!({ "results": verdicts })))
    });
    assert_eq!(outcomes(&world.sync().await), [("created", 2), ("dead", 1)]);
    let dead = world.only_dead().await;
    assert!(
        dead.error.contains("no verdict on the record"),
        "{}",
        dead.error
    );
    // Whether it was made is not known, so it is not made again.
    assert_eq!(
        outcomes(&world.sync().await),
        [("unchanged", 2), ("dead", 1)]
    );
    assert_eq!(world.shop.server.requests().len(), 1);
}

/// The verdicts on the things of a request; the second thing is rejected.
fn in_order(request: &ReceivedRequest) -> Vec<Value> {
    let verdict = |thing: Value| match thing["n"] == 2 {
        true => json!({ "error": "no twos" }),
        false => json!({ "id": thing["n"] }),
    };
    things_in(request).into_iter().map(verdict).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_without_keys_come_in_the_order_of_the_records() {
    let writes =
        "create: { request: POST /all, id: .id }\nbatch: { results: \".[]\", rejected: .error }";
    let (world, _) = world(
        3,
        Flow {
            writes,
            ..Flow::default()
        },
    )
    .await;
    world
        .shop
        .intercept(|request| Some(Reply::json(200, &json!(in_order(request)[1..]))));
    assert_eq!(outcomes(&world.sync().await), [("dead", 3)]);
    assert!(
        world
            .dead()
            .await
            .iter()
            .all(|dead| dead.error.contains("2 verdicts on 3 records"))
    );
    let (world, _) = self::world(
        3,
        Flow {
            writes,
            ..Flow::default()
        },
    )
    .await;
    world
        .shop
        .intercept(|request| Some(Reply::json(200, &json!(in_order(request)))));
    assert_eq!(outcomes(&world.sync().await), [("created", 2), ("dead", 1)]);
    assert_eq!(world.only_dead().await.key(), "k002");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_and_deletions_go_together_as_well() {
    let (world, things) = world(6, everything()).await;
    world.shop.intercept(|_| Some(Reply::json(200, &json!({}))));
    assert_eq!(outcomes(&world.sync().await), [("created", 6)]);
    world.shop.server.forget_requests();
    {
        let mut things = things.lock().unwrap();
        things[0]["n"] = json!(10);
        things[1]["n"] = json!(20);
        things[4]["gone"] = json!(true);
        things[5]["gone"] = json!(true);
    }
    assert_eq!(
        outcomes(&world.sync().await),
        [("updated", 2), ("deleted", 2), ("unchanged", 2)]
    );
    let mut asked: Vec<(String, String)> = world
        .shop
        .server
        .requests()
        .into_iter()
        .map(|request| (request.path, request.body))
        .collect();
    asked.sort();
    let changed = r#"[{"key":"k001","n":10},{"key":"k002","n":20}]"#;
    let expected = [("/all", changed), ("/all/delete", r#"["k005","k006"]"#)];
    assert_eq!(
        asked,
        expected.map(|(path, body)| (path.to_owned(), body.to_owned()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_answer_says_about_several_records_is_told_of_none_of_them() {
    let retry = "retry: { attempts: 1 }";
    let (world, _) = world(
        2,
        Flow {
            writes: EVERYTHING,
            load: retry,
            ..Flow::default()
        },
    )
    .await;
    world.shop.intercept(|_| {
        Some(Reply::json(
            500,
            &json!({ "error": "k001 is anna@example.com" }),
        ))
    });
    assert_eq!(outcomes(&world.sync().await), [("dead", 2)]);
    for dead in world.dead().await {
        assert!(
            dead.error.contains("500") && !dead.error.contains("anna"),
            "{}",
            dead.error
        );
    }
}

/// The batch took effect, so it is not repeated to find out which record is at fault.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_answer_cannot_be_read_is_not_halved() {
    let (world, _) = world(20, creates()).await;
    world.shop.intercept(|request| match &*request.path {
        "/batch" => {
            let reply = verdicts(request, accepted);
            Some(reply.with("content-encoding", "br"))
        }
        "/things" => Some(Reply::json(200, &json!({ "found": request.query["key"] }))),
        _ => Some(Reply::json(200, &json!({}))),
    });
    assert_eq!(outcomes(&world.sync().await), [("updated", 20)]);
    assert_eq!(sizes(&world), [20]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_which_nobody_needs_the_answer_is_taken_though_that_cannot_be_read() {
    let (world, _) = world(20, everything()).await;
    world
        .shop
        .intercept(|_| Some(Reply::of(200, b"{}".to_vec()).with("content-encoding", "br")));
    assert_eq!(outcomes(&world.sync().await), [("created", 20)]);
    assert_eq!(world.shop.server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_leads_elsewhere_is_made_once_more_and_not_halved() {
    let (world, _) = world(20, creates()).await;
    world.set_shop_timeout("4s");
    world
        .shop
        .fail("POST", usize::MAX, || Reply::redirect(303, "/done"));
    assert_eq!(outcomes(&world.sync().await), [("dead", 20)]);
    assert_eq!(sizes(&world), [20, 20]);
}
