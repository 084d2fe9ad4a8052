//! Requests to the destination: redirects, and their number at a time.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use pomost_models::DeadLetterReason;
use pomost_tests::eventually;
use serde_json::json;
use tokio::sync::watch;

use crate::support::{FakeServer, Flow, LOOKUP, ReceivedRequest, Reply, World, outcomes};

fn redirects(
    method: &'static str,
    status: u16,
    to: &str,
) -> impl Fn(&ReceivedRequest) -> Option<Reply> + use<> {
    let to = to.to_owned();
    move |request| match request.path.as_str() {
        "/elsewhere" => Some(Reply::json(200, &json!({ "id": "x" }))),
        _ => (request.method == method).then(|| Reply::redirect(status, to.clone())),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_redirected_to_a_read_has_failed() {
    for status in [301, 302, 303] {
        let (world, _) = World::with_rows([json!({"key": "a"})], Flow::default()).await;
        world
            .shop
            .intercept(redirects("POST", status, "/elsewhere"));
        assert_eq!(outcomes(&world.sync().await), [("dead", 1)], "{status}");
        let letter = world.only_dead().await;
        assert_eq!(letter.reason, DeadLetterReason::InDoubt);
        let said = format!("shop: POST /things answered {status} ");
        assert!(
            letter.error.starts_with(&said) && letter.error.contains("not followed"),
            "{}",
            letter.error
        );
        assert_eq!(world.shop.server.count_method("GET"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_is_redirected_to_a_read_is_not_taken_for_applied() {
    let (world, rows) = World::with_rows([json!({"key": "a", "n": 1})], Flow::default()).await;
    world.sync().await;
    world.shop.intercept(redirects("PUT", 303, "/elsewhere"));
    rows.set([json!({"key": "a", "n": 2})]);
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    world.shop.mend();
    rows.set([json!({"key": "a", "n": 3})]);
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":3}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_that_repeats_the_write_is_followed_within_the_system() {
    for status in [307, 308] {
        let (world, _) = World::with_rows([json!({"key": "a"})], Flow::default()).await;
        world
            .shop
            .intercept(redirects("POST", status, "/elsewhere"));
        assert_eq!(outcomes(&world.sync().await), [("created", 1)], "{status}");
        let requests = world.shop.server.requests();
        assert_eq!(
            (requests[1].method.as_str(), requests[1].path.as_str()),
            ("POST", "/elsewhere")
        );
        assert_eq!(requests[1].body, r#"{"key":"a"}"#);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_redirect_leads_out_of_the_system() {
    let stranger = FakeServer::start(|_| Reply::json(201, &json!({ "id": "x" }))).await;
    for (method, status) in [("POST", 307), ("POST", 308), ("GET", 302)] {
        let load = format!("{LOOKUP}\nretry: {{ attempts: 2 }}").leak();
        let (world, _) = World::with_rows(
            [json!({"key": "a"})],
            Flow {
                load,
                ..Flow::default()
            },
        )
        .await;
        let redirect = redirects(method, status, &stranger.url);
        world
            .shop
            .intercept(move |request| match (method, request.method.as_str()) {
                ("GET", "POST") => Some(Reply::broken_off()),
                _ => redirect(request),
            });
        assert_eq!(
            outcomes(&world.sync().await),
            [("dead", 1)],
            "{method} {status}"
        );
        let error = world.only_dead().await.error;
        assert!(error.contains(&format!("answered {status}")), "{error}");
    }
    assert!(stranger.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_of_dots_is_not_taken_for_steps_in_the_path() {
    for id in [".", ".."] {
        let flow = Flow {
            extract: "deleted: .gone",
            load: "delete: { request: \"DELETE /things/{$id}\" }",
            ..Flow::default()
        };
        let (world, rows) = World::with_rows([json!({"key": "a"})], flow).await;
        world
            .shop
            .fail("POST", 1, move || Reply::json(201, &json!({ "id": id })));
        assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
        rows.set([json!({"key": "a", "gone": true})]);
        assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
        let error = world.only_dead().await.error;
        assert!(error.contains("{$id}"), "{error}");
        assert_eq!(world.shop.server.count_method("DELETE"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_looked_up_by_nothing() {
    let load = r#"lookup: { request: "GET /things?email={.email}", id: .found }"#;
    let (world, _) = World::with_rows(
        [json!({"key": "a", "email": ""})],
        Flow {
            load,
            ..Flow::default()
        },
    )
    .await;
    world.shop.put("t0001", json!({"key": "b", "email": ""}));
    world.shop.fail("POST", 1, || {
        Reply::json(409, &json!({ "error": "exists" }))
    });
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    let letter = world.only_dead().await;
    assert_eq!(letter.reason, DeadLetterReason::Invalid);
    assert!(
        letter
            .error
            .contains("GET /things?email={.email}: {.email} is empty"),
        "{}",
        letter.error
    );
    assert_eq!(world.shop.server.count_method("GET"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_repeats_our_credentials_is_quoted_without_them() {
    let (world, _) = World::with_rows([json!({"key": "a"})], Flow::default()).await;
    world.shop.intercept(|request| {
        Some(Reply::json(
            422,
            &json!({ "error": "no", "you_sent": request.headers["authorization"] }),
        ))
    });
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    let error = world.only_dead().await.error;
    assert!(
        error.contains("Bearer ***") && !error.contains("secret-of-the-tests"),
        "{error}"
    );
}

/// While the gate is closed every create stays in flight, so that their number reaches its limit.
#[tokio::test(flavor = "multi_thread")]
async fn no_more_requests_are_in_flight_than_the_system_allows() {
    let rows: [_; 40] = std::array::from_fn(|key| json!({ "key": key.to_string() }));
    let (world, _) = World::with_rows(
        rows,
        Flow {
            rest: "batch_size: 10",
            ..Flow::default()
        },
    )
    .await;
    let system = format!(
        "system: shop\nbase_url: {}\nauth: {{ bearer: {{ token: \"${{TOKEN}}\" }} }}\nconcurrency: 3\n",
        world.shop.server.url
    );
    world.write("systems/shop.yaml", &system);
    let (open, gate) = watch::channel(false);
    let made = Arc::new(AtomicUsize::new(0));
    world.shop.intercept(move |request| {
        let id = made.fetch_add(1, Ordering::Relaxed);
        (request.method == "POST")
            .then(|| Reply::json(201, &json!({ "id": id })).behind(gate.clone()))
    });
    let running = world.start().await;
    let run = running.request(None).await;
    let server = &world.shop.server;
    eventually(async || {
        if server.count_method("POST") < 3 {
            Err("too few requests")
        } else {
            Ok(())
        }
    })
    .await;
    // Time enough for more to come.
    for _ in 0..50 {
        server.send("OPTIONS").await;
    }
    assert_eq!(server.count_method("POST"), 3);
    open.send(true).unwrap();
    assert_eq!(outcomes(&running.ended(run).await), [("created", 40)]);
    running.stop().await;
}
