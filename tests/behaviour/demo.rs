//! `pomost demo`: what it says is true, or it fails.

use std::process::Stdio;

use pomost_sandbox::{Fault, FaultAction, FaultPlan, FaultTiming, ShopOptions, ShopSnapshot};
use pomost_tests::{binary, eventually};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, ChildStdout, Command},
};

use crate::support::{FakeServer, Reply, send_request};

fn demo() -> Command {
    let mut command = Command::new(binary("pomost"));
    command
        .args(["demo", "--customers", "1000"])
        .env_clear()
        .kill_on_drop(true);
    command
}

/// A demo that has just begun, and where its shop is.
struct Begun {
    process: Child,
    output: BufReader<ChildStdout>,
    shop: String,
}

impl Begun {
    async fn new() -> Begun {
        let mut process = demo()
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut first = String::new();
        output.read_line(&mut first).await.unwrap();
        let shop = first
            .split_whitespace()
            .next_back()
            .unwrap()
            .trim_end_matches('.')
            .to_owned();
        Begun {
            process,
            output,
            shop,
        }
    }

    /// The exit code, and all that was printed on both outputs.
    async fn end(mut self) -> (i32, String) {
        let mut printed = String::new();
        self.output.read_to_string(&mut printed).await.unwrap();
        let ended = self.process.wait_with_output().await.unwrap();
        printed.push_str(&String::from_utf8(ended.stderr).unwrap());
        (ended.status.code().unwrap(), printed)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_is_verified_and_reaches_no_system_that_the_environment_names() {
    let business = FakeServer::start(|_| Reply::json(200, &json!({}))).await;
    let mut command = demo();
    for name in ["CRM", "SHOP"] {
        command.env(format!("{name}_URL"), &business.url);
    }
    let output = command
        .env("CRM_TOKEN", "t")
        .env("SHOP_KEY", "k")
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}");
    assert!(
        printed.contains("Verified: the shop has exactly the "),
        "{printed}"
    );
    assert!(business.requests().is_empty(), "{:?}", business.requests());
}

/// The shop ends up as it must: only the count tells.
#[tokio::test(flavor = "multi_thread")]
async fn a_demo_fails_when_the_shop_is_sent_more_than_it_must_be() {
    let demo = Begun::new().await;
    let kept = eventually(async || {
        let (_, state) =
            send_request("GET", &format!("{}/_sandbox/state", demo.shop), "", "").await;
        let snapshot: ShopSnapshot = serde_json::from_str(&state).unwrap();
        snapshot
            .customers
            .into_iter()
            .next()
            .ok_or("the shop is empty")
    })
    .await;
    let url = format!("{}/customers/{}", demo.shop, kept.id);
    let key = format!("X-Api-Key: {}\r\n", ShopOptions::default().key);
    assert_eq!(
        send_request("PUT", &url, &key, kept.customer.get()).await.0,
        200
    );
    let (code, printed) = demo.end().await;
    assert_eq!(code, 1, "{printed}");
    assert!(
        printed.contains("error: the shop was to be sent "),
        "{printed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_fails_when_the_shop_refuses_what_it_must_take() {
    let demo = Begun::new().await;
    let faults = FaultPlan {
        delay_ms: 0,
        faults: vec![Fault::new(FaultTiming::Next(1), FaultAction::answer(422)).on("POST")],
    };
    let faults = serde_json::to_string(&faults).unwrap();
    let headers = "Content-Type: application/json\r\n";
    let ordered = send_request(
        "POST",
        &format!("{}/_sandbox/faults", demo.shop),
        headers,
        &faults,
    )
    .await;
    assert_eq!(ordered.0 / 100, 2, "{ordered:?}");
    let (code, printed) = demo.end().await;
    assert_eq!(code, 1, "{printed}");
}
