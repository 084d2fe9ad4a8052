//! What a request may have done that failed, or of which the answer is of no use.

use futures_util::future::join_all;
use pomost_models::Reason;
use serde_json::json;

use crate::support::{Flow, LOOKUP, Reply, World, outcomes};

fn thing(n: u32) -> [serde_json::Value; 1] {
    [json!({"key": "a", "n": n})]
}

/// An answer compressed in a way that nobody asked for.
fn unreadable(status: u16) -> Reply {
    Reply::With("content-encoding", "br".to_owned(), Box::new(Reply::json(status, &json!({ "id": "t0001" }))))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_answer_cannot_be_read_is_looked_up() {
    let (world, _) = World::with_rows(thing(1), Flow { load: LOOKUP, ..Flow::default() }).await;
    world.shop.lose_answers("POST", 1, || unreadable(201));
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!((world.shop.server.asked("POST"), world.shop.things().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_answer_is_too_long_is_in_doubt_where_nothing_can_tell() {
    let (world, rows) = World::with_rows(thing(1), Flow::default()).await;
    world.write("systems/shop.yaml", &format!("{}max_answer: 1KiB\n", world.system("shop")));
    world.shop.lose_answers("POST", 1, || Reply::Answer(201, vec![b' '; 2048]));
    for n in [1, 2] {
        rows.set(thing(n));
        assert_eq!(outcomes(&world.sync().await), [("dead", 1)]);
    }
    assert!(world.dead().await.iter().all(|letter| letter.reason == Reason::InDoubt));
    assert_eq!((world.shop.server.asked("POST"), world.shop.things().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_needs_to_read_need_not_be_readable() {
    let (world, rows) = World::with_rows(thing(1), Flow::default()).await;
    world.sync().await;
    rows.set(thing(2));
    world.shop.lose_answers("PUT", 1, || unreadable(200));
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(world.shop.server.asked("PUT"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_one_though_the_rest_of_it_cannot_be_read() {
    let (world, _) = World::with_rows(thing(1), Flow { load: LOOKUP, ..Flow::default() }).await;
    world.shop.put("t7", json!({"key": "a", "n": 0}));
    world.shop.fail("POST", 1, || unreadable(409));
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(world.shop.things(), [r#"{"key":"a","n":1}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_leads_elsewhere_may_have_made_something() {
    for status in [301, 302, 303] {
        let (world, rows) = World::with_rows(thing(1), Flow { load: LOOKUP, ..Flow::default() }).await;
        world.shop.lose_answers("POST", 1, move || Reply::Redirect(status, "/things/t0001".to_owned()));
        assert_eq!(outcomes(&world.sync().await), [("dead", 1)], "{status}");
        let error = world.only_dead().await.error;
        assert!(error.contains("which is not followed"), "{error}");
        rows.set(thing(2));
        assert_eq!(outcomes(&world.sync().await), [("updated", 1)], "{status}");
        assert_eq!((world.shop.server.asked("POST"), world.shop.things().len()), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_a_gateway_gave_up_is_in_doubt_where_nothing_can_tell() {
    join_all([408, 502, 504, 520, 522, 524].map(async |status| {
        let (world, _) = World::with_rows(thing(1), Flow::default()).await;
        world.shop.fail("POST", 1, move || Reply::json(status, &json!({})));
        assert_eq!(outcomes(&world.sync().await), [("dead", 1)], "{status}");
        assert_eq!(world.only_dead().await.reason, Reason::InDoubt);
        assert_eq!(world.shop.server.asked("POST"), 1);
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_did_not_reach_the_system_is_repeated() {
    join_all([425, 500, 501, 521, 523].map(async |status| {
        let (world, _) = World::with_rows(thing(1), Flow::default()).await;
        world.shop.fail("POST", 1, move || Reply::json(status, &json!({})));
        assert_eq!(outcomes(&world.sync().await), [("created", 1)], "{status}");
        assert_eq!(world.shop.server.asked("POST"), 2);
    }))
    .await;
}

/// Nobody knows whether the destination has what was there before.
#[tokio::test(flavor = "multi_thread")]
async fn after_an_update_that_failed_the_content_before_it_is_sent_again() {
    for status in [500, 503, 408] {
        let (extract, load) =
            ("version: .v", "retry: { attempts: 1 }\nanswers: [{ status: 503, means: transient }]");
        let flow = Flow { extract, load, transform: "map: \"{ key, n }\"", ..Flow::default() };
        let (world, rows) = World::with_rows([json!({"key": "a", "v": 1, "n": 1})], flow).await;
        assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
        rows.set([json!({"key": "a", "v": 2, "n": 2})]);
        world.shop.lose_answers("PUT", 2, move || Reply::json(status, &json!({})));
        assert_eq!(outcomes(&world.sync().await), [("dead", 1)], "{status}");
        assert_eq!(world.shop.things(), [r#"{"key":"a","n":2}"#]);
        world.shop.mend();
        rows.set([json!({"key": "a", "v": 3, "n": 1})]);
        assert_eq!(outcomes(&world.sync().await), [("updated", 1)], "{status}");
        assert_eq!(world.shop.things(), [r#"{"key":"a","n":1}"#]);
    }
}
