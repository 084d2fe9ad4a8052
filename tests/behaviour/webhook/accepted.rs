//! Deliveries that are accepted.

use pomost_models::Stage;
use serde_json::json;

use super::{WebhookWorld, hooked};
use crate::support::{FakeServer, Flow, Reply, outcomes, replayed_in, unhurried_limits};

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_crosses_to_the_destination_and_is_counted() {
    let hooked = WebhookWorld::start(hooked()).await;
    let answer = hooked
        .sender
        .deliver(&[("X-Id", "1")], r#"{"key":"a","price":1.10}"#)
        .await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "{\"status\":\"taken\"}\n")
    );
    assert_eq!(hooked.outcomes().await, [("created", 1)]);
    assert_eq!(hooked.world.shop.things(), [r#"{"key":"a","price":1.10}"#]);
    let status = hooked.world.pomost(&["status"]).await.out;
    let line: Vec<&str> = status.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(
        line[1..5],
        ["things", "webhook", "settled", "1"],
        "{status}"
    );
    hooked.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_comes_again_crosses_once() {
    let hooked = WebhookWorld::start(hooked()).await;
    for (body, status) in [
        (r#"{"key":"a"}"#, "taken"),
        (r#"{"key":"a"}"#, "repeated"),
        (r#"{"key":"b"}"#, "repeated"),
    ] {
        let answer = hooked.sender.deliver(&[("X-Id", "1")], body).await;
        assert_eq!((answer.status, answer.status_text()), (200, status));
    }
    assert_eq!(hooked.outcomes().await, [("created", 1)]);
    assert_eq!(hooked.world.shop.server.count_method("POST"), 1);
    hooked.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repetitions_that_come_together_cross_once() {
    let hooked = WebhookWorld::start(hooked()).await;
    let mut answers = hooked
        .sender
        .deliver_at_once((0..20).map(|_| ("1".to_owned(), r#"{"key":"a"}"#.to_owned())))
        .await;
    answers.sort();
    assert_eq!(
        (
            answers[..19].iter().all(|status| status == "repeated"),
            answers[19].as_str()
        ),
        (true, "taken")
    );
    assert_eq!(hooked.outcomes().await, [("created", 1)]);
    hooked.running.stop().await;
}

/// They need several batches and come by many connections at once.
#[tokio::test(flavor = "multi_thread")]
async fn many_deliveries_at_once_are_all_counted() {
    let hooked = WebhookWorld::start(Flow {
        rest: "batch_size: 7",
        ..hooked()
    })
    .await;
    let deliveries = (0..200).map(|n| (n.to_string(), format!(r#"{{"key":"{n}"}}"#)));
    let answers = hooked.sender.deliver_at_once(deliveries).await;
    assert_eq!(answers, vec!["taken"; 200]);
    assert_eq!(hooked.outcomes().await, [("created", 200)]);
    assert_eq!(hooked.world.shop.things().len(), 200);
    hooked.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_that_a_mapping_splits_are_all_counted() {
    let transform = "map: .parts[]";
    let hooked = WebhookWorld::start(Flow {
        transform,
        ..hooked()
    })
    .await;
    for n in 0..5 {
        let body = json!({ "key": n.to_string(), "parts": [{ "key": "x", "n": n }, { "key": "y", "n": n }] });
        let id = n.to_string();
        assert_eq!(
            hooked
                .sender
                .deliver(&[("X-Id", &id)], &body.to_string())
                .await
                .status,
            200
        );
    }
    assert_eq!(hooked.outcomes().await, [("created", 10), ("split", 5)]);
    hooked.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_no_record_becomes_a_dead_letter_and_crosses_once_the_flow_is_mended() {
    let extract = "webhook:
  path: /things
  verify: { token: { secrets: [\"${TOKEN}\"], header: X-Token } }
  records: .[]";
    let hooked = WebhookWorld::start(Flow {
        extract,
        ..Flow::default()
    })
    .await;
    let answer = hooked
        .sender
        .deliver(&[], r#"[{"key":"a"},{"id":"b","key":null}]"#)
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(hooked.outcomes().await, [("created", 1), ("dead", 1)]);
    let letter = hooked.world.only_dead().await;
    assert_eq!(letter.stage, Stage::Extract);
    assert!(
        letter.error.starts_with("extract.key found null"),
        "{}",
        letter.error
    );
    hooked.running.stop().await;
    let extract = "webhook:
  path: /things
  verify: { token: { secrets: [\"${TOKEN}\"], header: X-Token } }
  records: .[]
  key: .id";
    hooked.world.set_flow(Flow {
        extract,
        ..Flow::default()
    });
    let replayed = hooked.world.pomost(&["dead", "replay", "--all"]).await;
    let summary = hooked.world.finish(replayed_in(&replayed)).await;
    assert_eq!(outcomes(&summary), [("created", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_of_ids_is_asked_about() {
    let source = FakeServer::start(|request| match request.path.strip_prefix("/rows/") {
        Some("gone") => Reply::json(404, &json!({})),
        Some(id) => Reply::json(200, &json!({ "key": id, "n": 1 })),
        None => Reply::rows(json!([])),
    })
    .await;
    let extract = "fetch: { request: \"GET /rows/{.key}\" }\nwebhook:
  path: /things
  verify: { token: { secrets: [\"${TOKEN}\"], header: X-Token } }
  records: '.ids[] | { key: . }'";
    let hooked = WebhookWorld::between(
        source,
        Flow {
            extract,
            ..Flow::default()
        },
    )
    .await;
    assert_eq!(
        hooked
            .sender
            .deliver(&[], r#"{"ids":["a","gone"]}"#)
            .await
            .status,
        200
    );
    assert_eq!(hooked.outcomes().await, [("created", 1), ("filtered", 1)]);
    assert_eq!(hooked.world.shop.things(), [r#"{"key":"a","n":1}"#]);
    hooked.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_may_be_told_and_never_ask() {
    let hooked = WebhookWorld::start(hooked()).await;
    hooked.running.stop().await;
    let text = hooked.world.flow_text();
    let told: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("  request: GET") && !line.starts_with("  records:"))
        .collect();
    hooked.world.write("flows/things.yaml", &told.join("\n"));
    let running = hooked.world.start().await;
    let hooked = WebhookWorld::on(hooked.world, hooked.rows, running, unhurried_limits()).await;
    hooked
        .sender
        .deliver(&[("X-Id", "1")], r#"{"key":"a"}"#)
        .await;
    assert_eq!(hooked.outcomes().await, [("created", 1)]);
    hooked.running.stop().await;
    let sync = hooked.world.pomost(&["sync", "things"]).await;
    assert_ne!(sync.code, 0);
    let said = format!("{}{}", sync.out, sync.err);
    assert!(
        said.contains("its source delivers, and is not read"),
        "{said}"
    );
    assert_eq!(hooked.world.source.requests().len(), 0);
}
