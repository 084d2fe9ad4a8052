//! Several processes of a service.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use pomost_models::Outcome;
use pomost_sandbox::{CrmEdit, FaultPlan, customer_id, verify};
use pomost_tests::{
    FLOW, Proxy, Stack, StackOptions, WireState, eventually, pages_and_no_more, test_url,
    with_stack,
};

/// The first extractor wakes up when its successor has read everything, so that no chance decides
/// between them.
#[tokio::test(flavor = "multi_thread")]
async fn an_extractor_that_was_paused_leaves_the_run_to_its_successor() {
    with_stack(
        StackOptions {
            customers: 3_000,
            ..StackOptions::default()
        },
        async |stack| {
            stack.crm.set_faults(pages_and_no_more(2));
            let run = stack.request_run().await;
            stack.created(200).await;
            stack.extractor.pause();
            stack.crm.set_faults(FaultPlan::default());
            let mut successor = stack.another("extractor");
            successor.start();
            successor.wait_for_log(r#""resumed":true"#).await;
            successor.wait_for_log(r#""message":"extracted""#).await;
            stack.extractor.resume();
            stack.settled(run).await;
            assert!(successor.terminate().await.status.success());
            stack.all_crossed_once(run).await;
            assert!(!stack.extractor.log().contains(r#""message":"extracted""#));
        },
    )
    .await;
}

/// Two changes of each customer are under way at a time, and several loaders take them.
#[tokio::test(flavor = "multi_thread")]
async fn several_loaders_apply_changes_in_order() {
    with_stack(
        StackOptions {
            customers: 500,
            ..StackOptions::default()
        },
        async |stack| {
            let mut others = [stack.another("loader"), stack.another("transformer")];
            others.iter_mut().for_each(|service| service.start());
            let mut runs = Vec::new();
            for _ in 0..4 {
                let run = stack.request_run().await;
                stack.extracted(run).await;
                runs.push(run);
                stack.crm.edit(&CrmEdit {
                    change: (0..500).collect(),
                    ..CrmEdit::default()
                });
            }
            runs.push(stack.request_run().await);
            let mut dead = 0;
            for run in runs {
                dead += stack.settled(run).await.counts.count(Outcome::Dead);
            }
            assert_eq!(dead, 5 * stack.crm.expected().dead.len() as u64);
            for service in &mut others {
                assert!(service.terminate().await.status.success());
            }
            stack.finish().await;
            verify(&stack.crm.expected(), &stack.shop.snapshot()).unwrap();
        },
    )
    .await;
}

/// A loader creates customers and cannot record them, while the CRM deletes them again. Another
/// loader, which gets the deletions, cannot find those whose e-mail addresses the CRM writes in
/// another way than the shop.
///
/// No chance decides which loader gets the deletions: the first one cannot take a message more.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_loader_created_while_others_took_over_is_deleted_all_the_same() {
    let direct = test_url("POMOST_TEST_DATABASE_URL");
    let mut wire = Proxy::start(&direct, 5432).await;
    let options = StackOptions {
        customers: BEFORE,
        edits: &[
            ("flows/customers.yaml", "limit=200", "limit=8"),
            ("systems/shop.yaml", "concurrency: 16", "concurrency: 64"),
            ("systems/shop.yaml", "timeout: 5s", "timeout: 30s"),
        ],
        ..StackOptions::default()
    };
    with_stack(options, async |stack| {
        assert!(stack.loader.terminate().await.status.success());
        let shop_wire = Proxy::start(&stack.shop.url(), 80).await;
        let mut cut_off = stack
            .another("loader")
            .with_variable("POMOST_DATABASE_URL", wire.url(&direct))
            .with_variable("SHOP_URL", shop_wire.url(&stack.shop.url()));
        cut_off.start();
        // A loader takes the first message of each lane alone: the first run is a backfill.
        for _ in 0..2 {
            let run = stack.request_run().await;
            stack.settled(run).await;
        }
        stack.crm.edit(&CrmEdit {
            add: ADDED,
            ..CrmEdit::default()
        });
        shop_wire.set(WireState::ResponsesHeld);
        let pages = pages_of_the_next_run(stack).await;
        let created = stack.request_run().await;
        cannot_take_more(stack, &pages).await;
        wire.cut().await;
        shop_wire.set(WireState::Open);
        stack.loader.start();
        stack.crm.edit(&CrmEdit {
            archive: (BEFORE..BEFORE + ADDED).collect(),
            ..CrmEdit::default()
        });
        let deleted = stack.request_run().await;
        eventually(async || match stack.shop.counts().searched {
            8.. => Ok(()),
            searched => Err(format!("{searched} were searched for")),
        })
        .await;
        wire.mend().await;
        stack.settled(created).await;
        stack.settled(deleted).await;
        assert!(cut_off.terminate().await.status.success());
        let log = cut_off.log();
        assert!(log.contains("another worker took over records"));
        stack.finish().await;
        let letters = stack.dead_letters().await;
        let dead: BTreeSet<&str> = letters.iter().map(|letter| letter.key()).collect();
        let expected = stack.crm.expected();
        assert_eq!(dead, expected.dead.keys().map(String::as_str).collect());
        stack.shop_has_the_right_customers();
    })
    .await;
}

/// The overlap of the example's flow: it begins to read this long before its cursor.
const OVERLAP: SignedDuration = SignedDuration::from_mins(5);

/// Number of customers on a page of the test above, and so in a batch.
const PAGE: u32 = 8;

/// Number of batches that a loader works on at a time.
const IN_HAND: usize = 4;

const BEFORE: u32 = 32;

/// Enough for more batches than a loader works on and takes ahead.
const ADDED: u32 = 12 * PAGE;

/// The pages on which the next run reads the customers that were added, by their ids. Customers
/// that changed shortly before the cursor come before them.
async fn pages_of_the_next_run(stack: &Stack) -> BTreeMap<String, u32> {
    let cursor = stack.store.cursor(FLOW).await.unwrap().unwrap();
    let since = cursor.parse::<Timestamp>().unwrap() - OVERLAP;
    let read = stack
        .crm
        .customers()
        .map(|customer| {
            (
                customer.updated_at.parse::<Timestamp>().unwrap(),
                customer.id,
            )
        })
        .filter(|(updated_at, _)| *updated_at >= since);
    let mut read: Vec<_> = read.collect();
    read.sort();
    let added: BTreeSet<String> = (BEFORE..BEFORE + ADDED).map(customer_id).collect();
    (0..)
        .zip(read)
        .map(|(place, (_, id))| (id, place / PAGE))
        .filter(|(id, _)| added.contains(id))
        .collect()
}

/// Waits until the loader cannot take a message more: it has begun as many batches as it works on
/// at a time, the responses to their creates are held back, and the broker keeps messages that it
/// may not give to it.
async fn cannot_take_more(stack: &Stack, pages: &BTreeMap<String, u32>) {
    eventually(async || {
        let tallies = stack.shop.snapshot().tallies;
        let begun: BTreeSet<&u32> = tallies.keys().filter_map(|id| pages.get(id)).collect();
        let queue = stack.namespace.queue_length("load.customers");
        match (begun.len(), queue.await.unwrap()) {
            (IN_HAND.., 1..) => Ok(()),
            (batches, messages) => Err(format!(
                "{batches} batches have begun, {messages} messages wait"
            )),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_come_and_go_lose_and_repeat_nothing() {
    come_and_go(4_000).await;
}

/// Enough records for replicas to come and go for minutes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; ./tests/run faults runs it"]
async fn replicas_that_come_and_go_lose_and_repeat_nothing_of_100_000_records() {
    come_and_go(100_000).await;
}

/// For each service in turn another process joins, and the first one is told to end.
async fn come_and_go(customers: u32) {
    const TURNS: u64 = 12;
    with_stack(
        StackOptions {
            customers,
            ..StackOptions::default()
        },
        async |stack| {
            // Slow enough a source that all three services are busy until the end.
            stack.crm.set_faults(FaultPlan {
                delay_ms: 100,
                ..FaultPlan::default()
            });
            let run = stack.request_run().await;
            for (turn, name) in
                (0..TURNS).zip(["extractor", "transformer", "loader"].into_iter().cycle())
            {
                stack
                    .created(u64::from(customers) * turn / (TURNS + 2))
                    .await;
                succeed(stack, name).await;
            }
            stack.all_crossed_once(run).await;
            let counts = stack.shop.counts();
            assert_eq!(
                (counts.updated, counts.searched),
                (0, 0),
                "something was sent again, or left in doubt"
            );
        },
    )
    .await;
}

async fn succeed(stack: &mut Stack, name: &'static str) {
    let mut successor = stack.another(name);
    successor.start();
    successor.ready().await;
    let mut predecessor = std::mem::replace(stack.service(name), successor);
    assert!(predecessor.terminate().await.status.success());
}
