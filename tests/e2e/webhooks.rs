//! A source that delivers to services that are killed, again and again.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
};

use futures_util::{StreamExt, stream};
use pomost_broker::testing::address_of_our_own;
use pomost_models::RunTrigger;
use pomost_sandbox::CrmOptions;
use pomost_store::RunState;
use pomost_tests::{FLOW, SeededRandom, Stack, StackOptions, eventually, with_stack};
use serde_json::value::RawValue;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const CUSTOMERS: u32 = 1_500;

const KILLS: u64 = 6;

/// Number of deliveries at a time.
const SENDERS: usize = 8;

const WEBHOOK: &str = "  webhook:
    path: /customers
    verify: { token: { secrets: [\"${CRM_TOKEN}\"], header: X-Token } }
    delivery: { value: .id }
";

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_extractor_loses_and_doubles_no_delivery() {
    let address = address_of_our_own(8080);
    let environment = vec![("POMOST_WEBHOOK_ADDR", address.to_string())];
    let options = StackOptions {
        customers: CUSTOMERS,
        environment,
        extract: WEBHOOK,
        ..StackOptions::default()
    };
    let mut random = SeededRandom::new();
    with_stack(options, async |stack| {
        let accepted = AtomicU64::new(0);
        let delivering = deliver_all(address, customers(stack).await, &accepted);
        let killing = kill_meanwhile(stack, &mut random, &accepted, u64::from(CUSTOMERS));
        tokio::join!(delivering, killing);
        wait_until_settled(stack).await;
        stack.finish().await;
        stack.shop_is_right();
        // A hopeless customer that was delivered twice has died twice.
        let letters = stack.dead_letters().await;
        let dead: BTreeSet<&str> = letters.iter().map(|letter| letter.key()).collect();
        let expected = stack.crm.expected();
        assert_eq!(dead, expected.dead.keys().map(String::as_str).collect());
    })
    .await;
}

/// A delivery names the places of some customers in the CRM's list, and the extractor asks for
/// them.
const PLACES_ONLY: &str =
    "  fetch: { request: \"GET /offsets/customers?offset={.offset}&limit=1\", record: \".customers[0]\" }
  webhook:
    path: /customers
    verify: { token: { secrets: [\"${CRM_TOKEN}\"], header: X-Token } }
    records: \".offsets[] | { offset: . }\"
    delivery: { value: \".offsets[0]\" }
";

/// Number of customers in a delivery.
const PER_DELIVERY: usize = 10;

/// At each kill some customers were delivered and are not asked for yet, or are asked for and not
/// passed on.
#[tokio::test(flavor = "multi_thread")]
async fn killing_the_extractor_between_taking_and_asking_loses_and_doubles_nothing() {
    let address = address_of_our_own(8080);
    let environment = vec![("POMOST_WEBHOOK_ADDR", address.to_string())];
    let options = StackOptions {
        customers: CUSTOMERS,
        environment,
        extract: PLACES_ONLY,
        ..StackOptions::default()
    };
    let mut random = SeededRandom::new();
    with_stack(options, async |stack| {
        let accepted = AtomicU64::new(0);
        let offsets: Vec<u32> = (0..CUSTOMERS).collect();
        let deliveries = offsets
            .chunks(PER_DELIVERY)
            .map(|offsets| serde_json::json!({ "offsets": offsets }).to_string());
        let delivering = deliver_all(address, deliveries.collect(), &accepted);
        let killing = kill_meanwhile(
            stack,
            &mut random,
            &accepted,
            u64::from(CUSTOMERS) / PER_DELIVERY as u64,
        );
        tokio::join!(delivering, killing);
        wait_until_settled(stack).await;
        stack.finish().await;
        stack.shop_is_right();
    })
    .await;
}

/// Kills the extractor several times while so many deliveries are accepted.
async fn kill_meanwhile(
    stack: &mut Stack,
    random: &mut SeededRandom,
    accepted: &AtomicU64,
    deliveries: u64,
) {
    for so_many in random.moments(KILLS, deliveries * 9 / 10) {
        wait_for_accepted(accepted, so_many).await;
        random.short_pause().await;
        stack.extractor.kill().await;
        stack.extractor.start();
    }
}

async fn wait_for_accepted(accepted: &AtomicU64, deliveries: u64) {
    eventually(async || match accepted.load(Ordering::SeqCst) {
        accepted if accepted >= deliveries => Ok(()),
        accepted => Err(format!("{accepted} of {deliveries} deliveries accepted")),
    })
    .await;
}

/// Waits until all runs of deliveries have settled and no record is missing from their counts.
async fn wait_until_settled(stack: &Stack) {
    eventually(async || {
        let runs = stack.store.runs(Some(FLOW), 100).await.unwrap();
        let runs: Vec<_> = runs
            .into_iter()
            .filter(|run| run.trigger == RunTrigger::Webhook)
            .collect();
        let counted: u64 = runs.iter().map(|run| run.counts.records).sum();
        let settled: u64 = runs
            .iter()
            .map(|run| run.counts.outcomes.values().sum::<u64>())
            .sum();
        let all = runs.iter().all(|run| run.state == RunState::Settled);
        match all && counted == settled && counted >= u64::from(CUSTOMERS) {
            true => Ok(()),
            false => Err(format!("{settled} of {counted} records settled")),
        }
    })
    .await;
}

/// Repeats each delivery until it is accepted.
async fn deliver_all(address: SocketAddr, bodies: Vec<String>, accepted: &AtomicU64) {
    let delivering = stream::iter(bodies).for_each_concurrent(SENDERS, |body| async move {
        eventually(async || match deliver(address, &body).await {
            Some(200) => Ok(()),
            other => Err(format!("answered {other:?}")),
        })
        .await;
        accepted.fetch_add(1, Ordering::SeqCst);
    });
    delivering.await;
}

async fn deliver(address: SocketAddr, body: &str) -> Option<u16> {
    let token = CrmOptions::default().token;
    let head = format!(
        "POST /customers HTTP/1.0\r\nX-Token: {token}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let answer = exchange(address, &format!("{head}{body}")).await?;
    answer.split(' ').nth(1)?.parse().ok()
}

/// The customers of the CRM, digit for digit.
async fn customers(stack: &Stack) -> Vec<String> {
    let address = stack
        .crm
        .url()
        .trim_start_matches("http://")
        .parse()
        .unwrap();
    let token = CrmOptions::default().token;
    let mut path = "/customers?limit=500".to_owned();
    let mut customers = Vec::new();
    loop {
        let request = format!("GET {path} HTTP/1.0\r\nAuthorization: Bearer {token}\r\n\r\n");
        let answer = exchange(address, &request).await.unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let mut page: BTreeMap<String, Box<RawValue>> = serde_json::from_str(body).unwrap();
        let of_page: Vec<Box<RawValue>> = serde_json::from_str(page["customers"].get()).unwrap();
        customers.extend(of_page.iter().map(|customer| customer.get().to_owned()));
        match serde_json::from_str::<Option<String>>(page.remove("next").unwrap().get()).unwrap() {
            Some(next) => path = next.trim_start_matches(&stack.crm.url()).to_owned(),
            None => return customers,
        }
    }
}

async fn exchange(address: SocketAddr, request: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    Some(answer)
}
