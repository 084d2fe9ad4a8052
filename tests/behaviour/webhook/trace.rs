//! Traces and logs of deliveries.

use pomost_tests::{Service, TraceCollector, eventually};
use serde_json::{Value, json};

use super::{
    hooked,
    sender::{DeliverySender, TOKEN},
};
use crate::support::{Flow, World};

/// `pomost run` on the world's project, with its traces going to a collector.
fn runner(world: &World, more: &[(&str, &str)]) -> Service {
    let project = world.directory().to_str().unwrap();
    let environment = [
        ("POMOST_PROJECT", project),
        ("POMOST_HTTP_ADDR", "127.0.0.1:0"),
    ];
    let environment = environment
        .iter()
        .chain(more)
        .map(|(name, value)| ((*name).into(), (*value).into()));
    let mut runner = Service::new(
        "pomost",
        environment.collect(),
        world.directory().to_owned(),
    )
    .with_arguments(&["run"]);
    runner.start();
    runner
}

fn webhook_address(runner: &Service) -> Option<DeliverySender> {
    let log = runner.log();
    let mut lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.find(|line| line["message"] == "taking webhooks")?;
    Some(DeliverySender {
        address: line["address"].as_str()?.parse().ok()?,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_s_trace_goes_on_to_the_destination_and_no_log_has_its_content() {
    let (world, _) = World::with_rows([], hooked()).await;
    let collector = TraceCollector::start().await;
    let more = [
        ("POMOST_WEBHOOK_ADDR", "127.0.0.1:0"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url),
        ("RUST_LOG", "debug"),
    ];
    let mut runner = runner(&world, &more);
    runner.wait_for_log("taking webhooks").await;
    let sender = webhook_address(&runner).unwrap();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let traceparent = format!("00-{trace}-00f067aa0ba902b7-01");
    let headers = [("X-Id", "delivery-1"), ("traceparent", &traceparent)];
    assert_eq!(
        sender
            .deliver(&headers, r#"{"key":"hunter2"}"#)
            .await
            .status,
        200
    );
    assert_eq!(
        sender
            .deliver(&[("X-Token", "guess-of-somebody")], r#"{"key":"hunter2"}"#)
            .await
            .status,
        401
    );
    eventually(async || match world.shop.things().len() {
        1 => Ok(()),
        _ => Err("nothing has crossed"),
    })
    .await;
    assert!(runner.terminate().await.status.success());
    let its: Vec<_> = collector
        .spans()
        .into_iter()
        .filter(|span| span.trace == trace)
        .collect();
    let one = |name: &str| {
        its.iter()
            .find(|span| span.name == name)
            .unwrap_or_else(|| panic!("{name}: {its:#?}"))
    };
    let webhook = one("webhook things");
    assert_eq!(
        (
            webhook.parent.as_str(),
            webhook.attribute("http.response.status_code")
        ),
        ("00f067aa0ba902b7", "200")
    );
    assert_eq!(one("send transform.things").parent, webhook.id);
    assert_eq!(
        one("process transform.things").parent,
        one("send transform.things").id
    );
    assert_eq!(
        one("process load.things").parent,
        one("send load.things").id
    );
    let log = runner.log();
    for secret in [TOKEN, "hunter2", "guess-of-somebody"] {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
    assert!(log.contains("a delivery is refused"), "{log}");
}

/// The trace leads over three queues: from the delivery to the request to its source and to the
/// destination.
#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_a_delivery_over_asking_about_it_to_the_destination() {
    let extract = "fetch: { request: \"GET /rows/{.key}\", record: \".rows[0]\" }\nwebhook:
  path: /things
  verify: { token: { secrets: [\"${TOKEN}\"], header: X-Token } }";
    let (world, rows) = World::with_rows(
        [],
        Flow {
            extract,
            ..Flow::default()
        },
    )
    .await;
    rows.set([json!({ "key": "a", "n": 1 })]);
    let collector = TraceCollector::start().await;
    let more = [
        ("POMOST_WEBHOOK_ADDR", "127.0.0.1:0"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.url),
    ];
    let mut runner = runner(&world, &more);
    runner.wait_for_log("taking webhooks").await;
    let sender = webhook_address(&runner).unwrap();
    assert_eq!(sender.deliver(&[], r#"{"key":"a"}"#).await.status, 200);
    eventually(async || match world.shop.things().len() {
        1 => Ok(()),
        _ => Err("nothing has crossed"),
    })
    .await;
    assert!(runner.terminate().await.status.success());
    let spans = collector.spans();
    let one = |name: &str| {
        spans
            .iter()
            .find(|span| span.name == name)
            .unwrap_or_else(|| panic!("{name}: {spans:#?}"))
    };
    let path = [
        "webhook things",
        "send extract.things",
        "process extract.things",
    ];
    assert!(
        path.windows(2)
            .all(|pair| one(pair[1]).parent == one(pair[0]).id),
        "{spans:#?}"
    );
    let asking = one("process extract.things");
    for name in ["GET /rows/{.key}", "send transform.things"] {
        assert_eq!(one(name).parent, asking.id, "{name}");
    }
    assert_eq!(
        one("process load.things").trace,
        one("webhook things").trace
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_without_an_address_are_told_of_at_the_start() {
    let (world, _) = World::with_rows([], hooked()).await;
    let mut runner = runner(&world, &[]);
    runner.wait_for_log("set POMOST_WEBHOOK_ADDR").await;
    assert!(
        runner.log().contains("\"flows\":\"things\""),
        "{}",
        runner.log()
    );
    assert!(runner.terminate().await.status.success());
}
