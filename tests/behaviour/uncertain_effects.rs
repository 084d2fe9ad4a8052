//! The possible effects of requests that failed or whose response is of no use.

use futures_util::future::join_all;
use pomost_models::DeadLetterReason;
use serde_json::json;

use crate::support::{Flow, Reply, World, outcomes};

fn thing(n: u32) -> [serde_json::Value; 1] {
    [json!({"key": "a", "n": n})]
}

/// A response with a compression that the request did not accept.
fn unreadable(status: u16) -> Reply {
    Reply::json(status, &json!({ "id": "t0001" })).with("content-encoding", "br")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_answer_cannot_be_read_is_looked_up() {
    let (world, _) = World::with_rows(thing(1), Flow::with_lookup()).await;
    world.shop.lose_answers("POST", 1, || unreadable(201));
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(
        (
            world.shop.server.count_method("POST"),
            world.shop.things().len()
        ),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_answer_is_too_long_is_in_doubt_where_nothing_can_tell() {
    let (world, rows) = World::with_rows(thing(1), Flow::default()).await;
    world.write(
        "systems/shop.yaml",
        &format!("{}max_answer: 1KiB\n", world.system("shop")),
    );
    world
        .shop
        .lose_answers("POST", 1, || Reply::of(201, vec![b' '; 2048]));
    for n in [1, 2] {
        rows.set(thing(n));
        assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    }
    assert!(
        world
            .dead()
            .await
            .iter()
            .all(|letter| letter.reason == DeadLetterReason::InDoubt)
    );
    assert_eq!(
        (
            world.shop.server.count_method("POST"),
            world.shop.things().len()
        ),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_needs_to_read_need_not_be_readable() {
    let (world, rows) = World::with_rows(thing(1), Flow::default()).await;
    world.sync().await;
    rows.set(thing(2));
    world.shop.lose_answers("PUT", 1, || unreadable(200));
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(world.shop.server.count_method("PUT"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_one_though_the_rest_of_it_cannot_be_read() {
    let (world, _) = World::with_rows(thing(1), Flow::with_lookup()).await;
    world.shop.put("t7", json!({"key": "a", "n": 0}));
    world.shop.fail("POST", 1, || unreadable(409));
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":1}"#]);
}

/// A redirect in response to a create.
fn elsewhere(status: u16) -> Reply {
    Reply::redirect(status, "/things/t0001")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_leads_elsewhere_is_looked_up() {
    join_all([301, 302, 303].map(async |status| {
        let (world, _) = World::with_rows(thing(1), Flow::with_lookup()).await;
        world
            .shop
            .lose_answers("POST", 1, move || elsewhere(status));
        assert_eq!(outcomes(&world.sync().await), [("updated", 1)], "{status}");
        assert_eq!(
            (
                world.shop.server.count_method("POST"),
                world.shop.things().len()
            ),
            (1, 1),
            "{status}"
        );
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_leads_elsewhere_is_made_again_where_it_is_not_found() {
    let (world, _) = World::with_rows(thing(1), Flow::with_lookup()).await;
    world.set_shop_timeout("4s");
    world.shop.fail("POST", 1, || elsewhere(302));
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    assert_eq!(
        (
            world.shop.server.count_method("POST"),
            world.shop.things().len()
        ),
        (2, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_leads_elsewhere_is_repeated_under_its_idempotency_key() {
    let flow = Flow {
        create: "idempotency_header: Idempotency-Key",
        ..Flow::default()
    };
    let (world, _) = World::with_rows(thing(1), flow).await;
    world.shop.lose_answers("POST", 1, || elsewhere(303));
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    assert_eq!(
        (
            world.shop.server.count_method("POST"),
            world.shop.things().len()
        ),
        (2, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_always_leads_elsewhere_is_dead_in_doubt_with_its_answer() {
    let idempotent = "idempotency_header: Idempotency-Key";
    let flows = [
        (1, Flow::default()),
        (
            2,
            Flow {
                create: idempotent,
                load: "retry: { attempts: 2 }",
                ..Flow::default()
            },
        ),
        (2, Flow::with_lookup()),
    ];
    join_all(flows.map(async |(times, flow)| {
        let (world, rows) = World::with_rows(thing(1), flow).await;
        world.set_shop_timeout("4s");
        world.shop.fail("POST", 10, || elsewhere(302));
        assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
        let letter = world.only_dead().await;
        assert_eq!(
            (letter.reason, world.shop.server.count_method("POST")),
            (DeadLetterReason::InDoubt, times)
        );
        assert!(
            letter
                .error
                .contains("answered 302 Found, which is not followed"),
            "{}",
            letter.error
        );
        assert!(
            letter
                .error
                .contains("replay it with --absent or --present"),
            "{}",
            letter.error
        );
        world.shop.mend();
        world.shop.put("t9", json!({"key": "a", "n": 0}));
        rows.set(thing(2));
        world.sync().await;
        assert_eq!(
            (
                world.shop.server.count_method("POST"),
                world.shop.things().len()
            ),
            (times, 1)
        );
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_leads_elsewhere_is_made_once_more() {
    let (world, rows) = World::with_rows(thing(1), Flow::default()).await;
    world.sync().await;
    for (times, n, outcome) in [(1, 2, "updated"), (10, 3, "dead")] {
        world.shop.server.forget_requests();
        rows.set(thing(n));
        world.shop.fail("PUT", times, || elsewhere(302));
        assert_eq!(outcomes(&world.sync().await), [(outcome, 1)]);
        assert_eq!(world.shop.server.count_method("PUT"), 2);
    }
    assert!(
        world
            .only_dead()
            .await
            .error
            .contains("which is not followed")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_creates_that_lead_elsewhere_are_looked_up_one_by_one() {
    let writes = "create: { request: POST /many, body: \"[.[] | .data]\" }\nbatch: { size: 10 }";
    let lookup = "lookup: { request: \"GET /things?key={$key}\", id: .found }";
    let (world, _) = World::with_rows(
        [json!({"key": "a"}), json!({"key": "b"})],
        Flow {
            writes,
            load: lookup,
            ..Flow::default()
        },
    )
    .await;
    world.shop.put("t1", json!({"key": "a"}));
    world.shop.put("t2", json!({"key": "b"}));
    world.shop.fail("POST", 1, || elsewhere(302));
    assert_eq!(outcomes(&world.sync().await), [("created", 2)]);
    assert_eq!(world.shop.server.count_method("POST"), 1);
}

/// The lookup that should resolve the doubt fails itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_create_in_doubt_whose_look_up_is_refused_is_dead_in_doubt() {
    let (world, _) = World::with_rows(thing(1), Flow::with_lookup()).await;
    world
        .shop
        .intercept(|request| match request.method.as_str() {
            "POST" => Some(Reply::broken_off()),
            _ => Some(Reply::redirect(302, "https://elsewhere.example/login")),
        });
    assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    let letter = world.only_dead().await;
    assert_eq!(
        (letter.reason, world.shop.server.count_method("POST")),
        (DeadLetterReason::InDoubt, 1)
    );
    assert!(
        letter
            .error
            .contains("GET /things?key={.key} answered 302 Found"),
        "{}",
        letter.error
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_a_gateway_gave_up_is_in_doubt_where_nothing_can_tell() {
    join_all([408, 502, 504, 520, 522, 524].map(async |status| {
        let (world, _) = World::with_rows(thing(1), Flow::default()).await;
        world
            .shop
            .fail("POST", 1, move || Reply::json(status, &json!({})));
        assert_eq!(outcomes(&world.sync().await), [("dead", 1)], "{status}");
        assert_eq!(world.only_dead().await.reason, DeadLetterReason::InDoubt);
        assert_eq!(world.shop.server.count_method("POST"), 1);
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_did_not_reach_the_system_is_repeated() {
    join_all([425, 500, 501, 521, 523].map(async |status| {
        let (world, _) = World::with_rows(thing(1), Flow::default()).await;
        world
            .shop
            .fail("POST", 1, move || Reply::json(status, &json!({})));
        assert_eq!(outcomes(&world.sync().await), [("created", 1)], "{status}");
        assert_eq!(world.shop.server.count_method("POST"), 2);
    }))
    .await;
}

/// The content at the destination is unknown after the failure.
#[tokio::test(flavor = "multi_thread")]
async fn after_an_update_that_failed_the_content_before_it_is_sent_again() {
    for status in [500, 503, 408] {
        let (extract, load) = (
            "version: .v",
            "retry: { attempts: 1 }\nanswers: [{ status: 503, means: transient }]",
        );
        let flow = Flow {
            extract,
            load,
            transform: "map: \"{ key, n }\"",
            ..Flow::default()
        };
        let (world, rows) = World::with_rows([json!({"key": "a", "v": 1, "n": 1})], flow).await;
        world.set_shop_timeout("3s");
        assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
        rows.set([json!({"key": "a", "v": 2, "n": 2})]);
        world
            .shop
            .lose_answers("PUT", 2, move || Reply::json(status, &json!({})));
        assert_eq!(outcomes(&world.sync().await), [("dead", 1)], "{status}");
        assert_eq!(world.shop.things(), [r#"{"key":"a","n":2}"#]);
        world.shop.mend();
        rows.set([json!({"key": "a", "v": 3, "n": 1})]);
        assert_eq!(outcomes(&world.sync().await), [("updated", 1)], "{status}");
        assert_eq!(world.shop.things(), [r#"{"key":"a","n":1}"#]);
    }
}
