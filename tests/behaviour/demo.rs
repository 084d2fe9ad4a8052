//! `pomost demo`: it fails where the shop does not end up as it says.

use std::{io, process::Stdio};

use pomost_sandbox::{
    Fault, FaultAction, FaultPlan, FaultTiming, KeptCustomer, ShopOptions, ShopSnapshot,
};
use pomost_tests::{binary, eventually};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, ChildStdout, Command},
};

use crate::support::{FakeServer, Reply, send_request, try_to_send};

const CUSTOMERS: usize = 1_000;

fn demo() -> Command {
    let mut command = Command::new(binary("pomost"));
    command
        .args(["demo", "--customers", &CUSTOMERS.to_string()])
        .env_clear()
        .kill_on_drop(true);
    command
}

/// A demo whose shop creates no more customers until its faults are replaced.
struct HeldDemo {
    process: Child,
    output: BufReader<ChildStdout>,
    /// The base URL of its shop.
    shop: String,
}

/// Number of creates that the shop of a held demo allows.
const ALLOWED_CREATES: u64 = 100;

impl HeldDemo {
    /// Starts demos until one could be held before its shop had all customers.
    async fn start() -> HeldDemo {
        loop {
            let demo = HeldDemo::start_unheld().await;
            if demo.hold().await.is_ok() && demo.some_customers().await.len() < CUSTOMERS / 2 {
                return demo;
            }
        }
    }

    async fn start_unheld() -> HeldDemo {
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
        HeldDemo {
            process,
            output,
            shop,
        }
    }

    /// Lets the shop create some customers and refuse the next ones for the moment.
    async fn hold(&self) -> io::Result<()> {
        let allowed = Fault::new(
            FaultTiming::Next(ALLOWED_CREATES),
            FaultAction::Late { ms: 0 },
        );
        let not_ready = FaultAction::Answer {
            status: 503,
            retry_after: Some("1".to_owned()),
        };
        let faults = vec![
            allowed.on("POST"),
            Fault::new(FaultTiming::Always, not_ready).on("POST"),
        ];
        self.set_faults(FaultPlan {
            delay_ms: 0,
            faults,
        })
        .await
    }

    async fn set_faults(&self, faults: FaultPlan) -> io::Result<()> {
        let (url, headers) = (
            format!("{}/_sandbox/faults", self.shop),
            "Content-Type: application/json\r\n",
        );
        let faults = serde_json::to_string(&faults).unwrap();
        let (status, _) = try_to_send("POST", &url, headers, &faults).await?;
        assert_eq!(status / 100, 2);
        Ok(())
    }

    /// Waits until the shop has customers; returns those it has.
    async fn some_customers(&self) -> Vec<KeptCustomer> {
        eventually(async || {
            let url = format!("{}/_sandbox/state", self.shop);
            let (_, state) = send_request("GET", &url, "", "").await;
            let snapshot: ShopSnapshot = serde_json::from_str(&state).unwrap();
            match snapshot.customers.is_empty() {
                false => Ok(snapshot.customers),
                true => Err("the shop is empty"),
            }
        })
        .await
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

/// The shop has the right customers at the end; only the number of requests tells.
#[tokio::test(flavor = "multi_thread")]
async fn a_demo_fails_when_the_shop_is_sent_more_than_it_must_be() {
    let demo = HeldDemo::start().await;
    let kept = demo.some_customers().await.remove(0);
    let url = format!("{}/customers/{}", demo.shop, kept.id);
    let key = format!("X-Api-Key: {}\r\n", ShopOptions::default().key);
    assert_eq!(
        send_request("PUT", &url, &key, kept.customer.get()).await.0,
        200
    );
    demo.set_faults(FaultPlan::default()).await.unwrap();
    let (code, printed) = demo.end().await;
    assert_eq!(code, 1, "{printed}");
    assert!(
        printed.contains("error: the shop was to be sent "),
        "{printed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_fails_when_the_shop_refuses_what_it_must_take() {
    let demo = HeldDemo::start().await;
    let refusal = Fault::new(FaultTiming::Next(1), FaultAction::answer(422)).on("POST");
    demo.set_faults(FaultPlan::only(refusal)).await.unwrap();
    let (code, printed) = demo.end().await;
    assert_eq!(code, 1, "{printed}");
}
