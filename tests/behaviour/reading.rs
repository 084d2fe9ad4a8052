//! Other ways of reading than page after page: links, windows of time, children, details,
//! deletions.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use pomost_extractor::Scheduling;
use serde_json::{Value, json};

use crate::support::{
    FakeServer, Flow, LOOKUP, ReceivedRequest, Reply, Rows, World, failure, outcomes, row,
};

const DELETE: &str = "delete: { request: \"DELETE /things/{$id}\" }";

fn keyed(key: &str) -> Value {
    json!({ "key": key })
}

fn keys_in(world: &World) -> Vec<String> {
    let key = |thing: String| {
        serde_json::from_str::<Value>(&thing).unwrap()["key"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let mut keys: Vec<String> = world.shop.things().into_iter().map(key).collect();
    keys.sort();
    keys
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_page_may_stand_in_a_link_header() {
    let source = FakeServer::start(|request| {
        let number: u32 = request
            .query
            .get("page")
            .map_or(1, |page| page.parse().unwrap());
        let rows = json!({ "rows": [row(number)] }).to_string().into_bytes();
        match number {
            3 => Reply::of(200, rows).with("link", "</rows?page=1>; rel=\"first\""),
            _ => Reply::of(200, rows).with(
                "link",
                format!(
                    "</rows?page=1>; rel=first, <?page={}>; rel=\"next\"",
                    number + 1
                ),
            ),
        }
    })
    .await;
    let world = World::new(
        source,
        Flow {
            extract: "paginate: { link: next }",
            ..Flow::default()
        },
    )
    .await;
    assert_eq!(outcomes(&world.sync().await), [("created", 3)]);
    assert_eq!(world.source.query_values("page"), ["", "2", "3"]);
}

/// A row for each day; a window has those from its beginning up to, not including, its end.
fn in_window(request: &ReceivedRequest) -> Reply {
    let days = (1..=28).map(|day| (format!("2026-01-{day:02}"), row(day)));
    let within = |day: &str| *day >= *request.query["from"] && *day < *request.query["to"];
    Reply::rows(
        days.filter(|(day, _)| within(day))
            .map(|(_, row)| row)
            .collect::<Vec<_>>(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_of_time_follow_each_other_up_to_now() {
    let source = FakeServer::start(in_window).await;
    let extract = "cursor: { value: .at, start: \"2026-01-01\", step: 90d }";
    let flow = Flow {
        request: "GET /rows?from={$cursor}&to={$until}",
        extract,
        ..Flow::default()
    };
    let world = World::new(source, flow).await;
    let day_before = jiff::Zoned::now().date().to_string();
    assert_eq!(outcomes(&world.sync().await), [("created", 28)]);
    let (from, to) = (
        world.source.query_values("from"),
        world.source.query_values("to"),
    );
    assert_eq!((&*from[0], &from[1..]), ("2026-01-01", &to[..to.len() - 1]));
    assert!(*to.last().unwrap() > day_before);
    assert!(*from.last().unwrap() <= jiff::Zoned::now().date().to_string());
    assert_eq!(world.cursor().await.unwrap(), "2026-01-28");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_goes_on_in_the_window_it_was_in() {
    let hangs = Mutex::new(true);
    let source = FakeServer::start(move |request| {
        if *request.query["from"] == *"2026-04-01" && std::mem::take(&mut *hangs.lock().unwrap()) {
            return Reply::never();
        }
        in_window(request)
    })
    .await;
    let extract = "cursor: { value: .at, start: \"2026-01-01\", step: 90d }";
    let flow = Flow {
        request: "GET /rows?from={$cursor}&to={$until}",
        extract,
        ..Flow::default()
    };
    let world = World::new(source, flow).await;
    let running = world.start_to_be_killed(Scheduling::Off).await;
    let run = running.request(None).await;
    pomost_tests::eventually(async || match world.source.count_method("GET") {
        2 => Ok(()),
        asked => Err(format!("{asked} windows asked for")),
    })
    .await;
    running.kill().await;
    assert_eq!(world.finish(run).await.counts.records, 28);
    assert_eq!(
        world.source.query_values("from")[..3],
        ["2026-01-01", "2026-04-01", "2026-04-01"]
    );
}

/// Five customers on two pages, each with as many orders as its number, on pages of two.
fn customers_and_orders(request: &ReceivedRequest) -> Reply {
    let page: usize = request
        .query
        .get("page")
        .map_or(0, |page| page.parse().unwrap());
    let next = |more: bool| more.then(|| format!("?page={}", page + 1));
    let answer =
        |rows: Vec<Value>, more| Reply::json(200, &json!({ "rows": rows, "next": next(more) }));
    match request
        .path
        .strip_prefix("/customers/")
        .and_then(|rest| rest.strip_suffix("/orders"))
    {
        None => {
            let customers: Vec<Value> = (1..=5)
                .map(|id| json!({ "id": id, "name": format!("c{id}") }))
                .collect();
            answer(customers.chunks(3).nth(page).unwrap().to_vec(), page == 0)
        }
        Some(customer) => {
            let count: usize = customer.parse().unwrap();
            let orders: Vec<Value> = (1..=count)
                .map(|number| json!({ "number": number }))
                .collect();
            answer(
                orders.chunks(2).nth(page).unwrap().to_vec(),
                count > 2 * (page + 1),
            )
        }
    }
}

const ORDERS: Flow = Flow {
    request: "GET /customers/{$parent.id}/orders",
    records: "'.rows[] | {key: \"\\($parent.id)-\\(.number)\", customer: $parent.name}'",
    extract: "paginate: { next: .next }\nfor_each: { request: GET /customers, paginate: { next: .next }, records: '.rows[]' }",
    transform: "",
    load: LOOKUP,
    create: "",
    writes: "",
    rest: "",
};

#[tokio::test(flavor = "multi_thread")]
async fn records_are_read_for_each_row_of_another_listing() {
    let world = World::new(FakeServer::start(customers_and_orders).await, ORDERS).await;
    assert_eq!(outcomes(&world.sync().await), [("created", 15)]);
    let expected: Vec<String> = (1..=5)
        .flat_map(|id| (1..=id).map(move |number| format!("{id}-{number}")))
        .collect();
    assert_eq!(keys_in(&world), expected);
    assert!(
        world
            .shop
            .things()
            .contains(&r#"{"key":"4-3","customer":"c4"}"#.to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn children_are_asked_for_no_more_at_a_time_than_the_system_takes() {
    let world = World::new(FakeServer::start(customers_and_orders).await, ORDERS).await;
    let system = std::fs::read_to_string(world.directory().join("systems/source.yaml")).unwrap();
    world.write("systems/source.yaml", &format!("{system}concurrency: 1\n"));
    assert_eq!(outcomes(&world.sync().await), [("created", 15)]);
    let paths: Vec<String> = world
        .source
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    let orders = |id: u32| format!("/customers/{id}/orders");
    let first_page = [
        "/customers".to_owned(),
        orders(1),
        orders(2),
        orders(3),
        orders(3),
    ];
    assert_eq!(paths[..5], first_page);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_goes_on_with_the_parents_it_has_not_read_for() {
    let hangs = Mutex::new(true);
    let source = FakeServer::start(move |request| {
        if request.path == "/customers/4/orders" && std::mem::take(&mut *hangs.lock().unwrap()) {
            return Reply::never();
        }
        customers_and_orders(request)
    })
    .await;
    let world = World::new(source, ORDERS).await;
    world.set_shop_timeout("5s");
    let running = world.start_to_be_killed(Scheduling::Off).await;
    let run = running.request(None).await;
    let asked_for_4 = || {
        world
            .source
            .requests()
            .iter()
            .filter(|request| request.path == "/customers/4/orders")
            .count()
    };
    pomost_tests::eventually(async || {
        if asked_for_4() == 1 {
            Ok(())
        } else {
            Err("not there yet")
        }
    })
    .await;
    running.kill().await;
    world.source.forget_requests();
    assert_eq!(world.finish(run).await.counts.records, 15);
    assert_eq!(keys_in(&world).len(), 15);
    assert!(
        world
            .source
            .requests()
            .iter()
            .all(|request| request.path != "/customers/1/orders")
    );
}

fn details(request: &ReceivedRequest) -> Reply {
    match request.path.strip_prefix("/rows/") {
        None => Reply::rows(json!([{ "id": 1 }, { "id": 2 }, { "id": 3 }, { "id": 4 }])),
        Some("3") => Reply::json(404, &json!({})),
        Some("4") => Reply::json(400, &json!({ "error": "no" })),
        Some(id) => Reply::json(200, &json!({ "row": { "key": id, "full": true } })),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn details_take_the_place_of_what_a_list_says() {
    let extract = "fetch: { request: \"GET /rows/{.id}\", record: .row }";
    let world = World::new(
        FakeServer::start(details).await,
        Flow {
            extract,
            ..Flow::default()
        },
    )
    .await;
    assert_eq!(outcomes(&world.sync().await), [("created", 2), ("dead", 1)]);
    let mut things = world.shop.things();
    things.sort();
    assert_eq!(
        things,
        [r#"{"key":"1","full":true}"#, r#"{"key":"2","full":true}"#]
    );
    assert!(
        world
            .only_dead()
            .await
            .error
            .contains("GET /rows/{.id} answered 400")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_whose_details_are_gone_is_deleted_where_the_flow_deletes() {
    let rows = Rows::default();
    rows.set([keyed("a"), keyed("b")]);
    let gone = std::sync::Arc::new(Mutex::new(false));
    let (listed, is_gone) = (rows.clone(), gone.clone());
    let source = FakeServer::start(move |request| match request.path.strip_prefix("/rows/") {
        None => listed.reply(),
        Some("b") if *is_gone.lock().unwrap() => Reply::json(410, &json!({})),
        Some(key) => Reply::json(200, &keyed(key)),
    })
    .await;
    let flow = Flow {
        extract: "fetch: { request: \"GET /rows/{.key}\" }",
        load: DELETE,
        ..Flow::default()
    };
    let world = World::new(source, flow).await;
    assert_eq!(outcomes(&world.sync().await), [("created", 2)]);
    *gone.lock().unwrap() = true;
    assert_eq!(
        outcomes(&world.sync().await),
        [("deleted", 1), ("unchanged", 1)]
    );
    assert_eq!(keys_in(&world), ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_of_deletions_is_read_after_the_records() {
    let deleted = std::sync::Arc::new(Mutex::new(BTreeMap::<&str, u32>::new()));
    let gone = deleted.clone();
    let source = FakeServer::start(move |request| match request.path.as_str() {
        "/rows" => Reply::rows(
            json!([{ "key": "a", "at": 1 }, { "key": "b", "at": 1 }, { "key": "c", "at": 9 }]),
        ),
        _ => {
            let rows = gone
                .lock()
                .unwrap()
                .iter()
                .map(|(key, at)| json!({ "id": key, "deleted_at": at }))
                .collect();
            Reply::json(200, &json!({ "deleted": Value::Array(rows) }))
        }
    })
    .await;
    let extract = "version: .at\ndeletions: { request: GET /deleted, records: \".deleted[]\", key: .id, version: .deleted_at }";
    let world = World::new(
        source,
        Flow {
            extract,
            load: DELETE,
            ..Flow::default()
        },
    )
    .await;
    assert_eq!(outcomes(&world.sync().await), [("created", 3)]);
    deleted
        .lock()
        .unwrap()
        .extend([("b", 5), ("c", 5), ("never-seen", 5)]);
    let deleted = outcomes(&world.sync().await);
    assert_eq!(
        deleted,
        [("deleted", 1), ("unchanged", 4), ("stale", 1)],
        "c was changed after it was deleted"
    );
    assert_eq!(keys_in(&world), ["a", "c"]);
}

const SWEEP: Flow = Flow {
    request: "GET /rows",
    records: ".rows[]",
    extract: "sweep: { max_deletes: 40 }",
    transform: "",
    load: DELETE,
    create: "",
    writes: "",
    rest: "",
};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_full_reading_does_not_list_is_deleted() {
    let (world, rows) = World::with_rows(["a", "b", "c"].map(keyed), SWEEP).await;
    assert_eq!(outcomes(&world.sync().await), [("created", 3)]);
    rows.set(["a", "c"].map(keyed));
    assert_eq!(
        outcomes(&world.sync().await),
        [("deleted", 1), ("unchanged", 2)]
    );
    assert_eq!(outcomes(&world.sync().await), [("unchanged", 2)]);
    rows.set(["a", "b", "c"].map(keyed));
    assert_eq!(
        outcomes(&world.sync().await),
        [("created", 1), ("unchanged", 2)]
    );
    assert_eq!(keys_in(&world), ["a", "b", "c"]);
}

/// The record is listed, so that it is not swept. Its dead letter says what to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_leaves_what_is_listed_and_refused() {
    let refuses = Arc::new(AtomicBool::new(false));
    let then = refuses.clone();
    let source = FakeServer::start(move |request| match request.path.strip_prefix("/rows/") {
        Some("b") if then.load(Ordering::SeqCst) => Reply::json(422, &json!({})),
        Some(key) => Reply::json(200, &keyed(key)),
        None => Reply::rows(json!(["a", "b", "c"].map(keyed))),
    })
    .await;
    let extract = "sweep: { max_deletes: 40 }\nfetch: { request: \"GET /rows/{.key}\" }";
    let world = World::new(source, Flow { extract, ..SWEEP }).await;
    assert_eq!(outcomes(&world.sync().await), [("created", 3)]);
    refuses.store(true, Ordering::SeqCst);
    assert_eq!(
        outcomes(&world.sync().await),
        [("unchanged", 2), ("dead", 1)]
    );
    assert_eq!(keys_in(&world), ["a", "b", "c"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_would_delete_too_much_fails_and_deletes_nothing() {
    let (world, rows) = World::with_rows(["a", "b", "c", "d"].map(keyed), SWEEP).await;
    world.sync().await;
    rows.set(["a", "b"].map(keyed));
    let error = failure(world.sync().await);
    assert!(
        error.contains("does not list 2 of the 4 records") && error.contains("40 %"),
        "{error}"
    );
    assert_eq!(
        (
            world.shop.server.count_method("DELETE"),
            keys_in(&world).len()
        ),
        (0, 4)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_suddenly_lists_nothing_is_no_success() {
    let (world, rows) = World::with_rows([keyed("a")], Flow::default()).await;
    rows.set([]);
    assert_eq!(world.sync().await.warning, None);
    rows.set([keyed("a")]);
    world.sync().await;
    rows.set([]);
    assert!(
        world
            .sync()
            .await
            .warning
            .unwrap()
            .contains("no records at all")
    );
    let printed = world.pomost(&["sync", "things"]).await;
    assert_eq!(
        (printed.code, printed.err.contains("no records at all")),
        (1, true),
        "{printed:?}"
    );
    assert!(
        world
            .pomost(&["status"])
            .await
            .out
            .contains("no records at all")
    );
}
