//! Deliveries that are refused.

use std::time::Duration;

use hmac::{Hmac, Mac};
use jiff::Timestamp;
use pomost_extractor::webhook::ReceiverLimits;
use pomost_tests::eventually;
use serde_json::json;
use sha2::Sha256;

use super::{
    WebhookWorld, hooked,
    sender::{DeliveryResponse, TOKEN, head_and_body},
};
use crate::support::{Flow, World, unhurried_limits};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_believed_leaves_nothing() {
    let extract = "webhook:
  path: /things
  verify:
    hmac: { secrets: [\"${TOKEN}\"], header: X-Signature, prefix: v1=, content: '{$headers[\"x-time\"]}.{.}',
      timestamp: '$headers[\"x-time\"]', tolerance: 5m }";
    let hooked = WebhookWorld::start(Flow {
        extract,
        ..Flow::default()
    })
    .await;
    let body = r#"{"key":"a"}"#;
    let now = Timestamp::now().as_second();
    let deliver = async |time: i64, signed: i64, secret: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{signed}.{body}").as_bytes());
        let signature = format!("v1={}", hex::encode(mac.finalize().into_bytes()));
        let headers = [("X-Time", time.to_string()), ("X-Signature", signature)];
        let headers = headers
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        hooked.sender.deliver(&headers, body).await.status
    };
    assert_eq!(deliver(now, now, "another secret").await, 401);
    assert_eq!(deliver(now, now - 1, TOKEN).await, 401);
    assert_eq!(deliver(now - 301, now - 301, TOKEN).await, 401);
    assert_eq!(hooked.sender.deliver(&[], body).await.status, 401);
    assert!(
        hooked
            .world
            .backends()
            .await
            .store
            .runs(None, 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(hooked.world.shop.server.requests().is_empty());
    assert_eq!(deliver(now, now, TOKEN).await, 200);
    assert_eq!(hooked.outcomes().await, [("created", 1)]);
    hooked.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_is_not_taken() {
    let extract = "webhook:
  path: /things
  verify: { token: { secrets: [\"${TOKEN}\"], header: X-Token } }
  max_body: 1KiB";
    let hooked = WebhookWorld::start(Flow {
        extract,
        ..Flow::default()
    })
    .await;
    let body = |length: usize| format!(r#"{{"key":"{}"}}"#, "x".repeat(length - 10));
    assert_eq!(hooked.sender.deliver(&[], &body(1025)).await.status, 413);
    assert_eq!(
        hooked.sender.deliver_in_chunks(&body(1025)).await.status,
        413
    );
    assert!(hooked.world.shop.server.requests().is_empty());
    assert_eq!(hooked.sender.deliver(&[], &body(1024)).await.status, 200);
    assert_eq!(
        hooked.sender.deliver_in_chunks(&body(1023)).await.status,
        200
    );
    assert_eq!(hooked.outcomes().await, [("created", 2)]);
    hooked.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_told_without_its_values() {
    let hooked = WebhookWorld::start(hooked()).await;
    let exchange = async |head: &str, body: &str| {
        let request =
            format!("{head}\r\nHost: x\r\nConnection: close\r\nX-Token: {TOKEN}\r\nX-Id: 1\r\n");
        let request = format!("{request}Content-Length: {}\r\n\r\n{body}", body.len());
        DeliveryResponse::of(&hooked.sender.exchange(request.as_bytes()).await)
    };
    let elsewhere = exchange("POST /thing HTTP/1.1", "{}").await;
    assert_eq!(
        (elsewhere.status, elsewhere.error().as_str()),
        (404, "no flow takes deliveries here")
    );
    let read = exchange("GET /things HTTP/1.1", "").await;
    assert_eq!((read.status, read.header("allow")), (405, Some("POST")));
    let broken = exchange("POST /things HTTP/1.1", "{\"key\":\"hunter2\"").await;
    assert_eq!(broken.status, 400);
    assert!(
        broken.error().starts_with("the delivery: JSON") && !broken.body.contains("hunter2"),
        "{broken:?}"
    );
    let other = exchange("POST /things HTTP/1.1\r\nContent-Type: text/html", "<p>").await;
    assert_eq!(other.status, 415);
    hooked.world.set_flow(Flow {
        extract: WITH_ROWS,
        ..Flow::default()
    });
    hooked.running.stop().await;
    let running = hooked.world.start().await;
    let hooked = WebhookWorld::on(hooked.world, hooked.rows, running, unhurried_limits()).await;
    let answer = hooked.sender.deliver(&[], r#"{"rows":"hunter2"}"#).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.error().starts_with("extract.webhook.records: "),
        "{answer:?}"
    );
    assert!(!answer.body.contains("hunter2"));
    hooked.running.stop().await;
}

const WITH_ROWS: &str = "webhook:
  path: /things
  verify: { token: { secrets: [\"${TOKEN}\"], header: X-Token } }
  records: .rows[]";

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_sender_is_let_go_and_holds_nobody_up() {
    let (world, rows) = World::with_rows([], hooked()).await;
    let running = world.start().await;
    let short = Duration::from_secs(1);
    let hooked = WebhookWorld::on(
        world,
        rows,
        running,
        ReceiverLimits {
            head_timeout: short,
            body_timeout: short,
            ..unhurried_limits()
        },
    )
    .await;
    let (slow, slower) = (hooked.sender.clone(), hooked.sender.clone());
    let head =
        tokio::spawn(async move { slow.exchange(b"POST /things HTTP/1.1\r\nHost: x\r\n").await });
    let body = format!(
        "POST /things HTTP/1.1\r\nHost: x\r\nX-Token: {TOKEN}\r\nContent-Length: 100\r\n\r\n{{"
    );
    let body = tokio::spawn(async move { slower.exchange(body.as_bytes()).await });
    // A machine that pauses lets go of another sender as well, which tries again.
    eventually(async || {
        let request = head_and_body(&[("X-Id", "1")], r#"{"key":"a"}"#);
        let response = hooked.sender.exchange(request.as_bytes()).await;
        match response.starts_with("HTTP/1.1 200") {
            true => Ok(()),
            false => Err(response),
        }
    })
    .await;
    // Both ends come by themselves: the connection is closed.
    let said = head.await.unwrap();
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 408"),
        "{said}"
    );
    assert_eq!(DeliveryResponse::of(&body.await.unwrap()).status, 408);
    assert_eq!(hooked.outcomes().await, [("created", 1)]);
    hooked.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_there_is_room_for_is_to_come_again() {
    let (world, rows) = World::with_rows([], hooked()).await;
    let running = world.start().await;
    let hooked = WebhookWorld::on(
        world,
        rows,
        running,
        ReceiverLimits {
            max_bytes: 1024,
            ..unhurried_limits()
        },
    )
    .await;
    let large = json!({ "key": "a", "text": "x".repeat(2000) }).to_string();
    let answer = hooked.sender.deliver(&[("X-Id", "1")], &large).await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("10"))
    );
    assert_eq!(
        hooked
            .sender
            .deliver(&[("X-Id", "2")], r#"{"key":"a"}"#)
            .await
            .status,
        200
    );
    hooked.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_are_answered_or_hung_up_on_and_others_go_on() {
    let hooked = WebhookWorld::start(hooked()).await;
    let mut dice = fastrand::Rng::with_seed(11);
    for round in 0..300 {
        let mut request = match dice.bool() {
            true => format!("POST /things HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Token: {TOKEN}\r\nX-Id: {round}\r\n"),
            false => "POST /things HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".to_owned(),
        }
        .into_bytes();
        let length = dice.usize(..200);
        let noise: Vec<u8> = std::iter::repeat_with(|| dice.u8(..))
            .take(length)
            .collect();
        match dice.u8(..3) {
            0 => request.extend(format!("Content-Length: {}\r\n\r\n", noise.len()).bytes()),
            1 => request.extend(b"Transfer-Encoding: chunked\r\n\r\n"),
            _ => {}
        }
        request.extend(noise);
        let answer = hooked.sender.exchange_and_leave(&request).await;
        let status = answer.split(' ').nth(1).unwrap_or("400");
        assert!(["400", "401", "413", "408"].contains(&status), "{answer}");
    }
    assert_eq!(
        hooked
            .sender
            .deliver(&[("X-Id", "last")], r#"{"key":"a"}"#)
            .await
            .status,
        200
    );
    assert_eq!(hooked.outcomes().await, [("created", 1)]);
    hooked.running.stop().await;
}
