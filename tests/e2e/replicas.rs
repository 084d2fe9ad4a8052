//! More than one process of a service.

use std::collections::BTreeSet;

use pomost_models::Outcome;
use pomost_sandbox::{CrmEdit, Fault, FaultAction, FaultPlan, FaultTiming, verify};
use pomost_tests::{Proxy, Stack, StackOptions, eventually, test_url, with_stack};

#[tokio::test(flavor = "multi_thread")]
async fn an_extractor_that_was_paused_leaves_the_run_to_its_successor() {
    with_stack(
        StackOptions {
            customers: 3_000,
            ..StackOptions::default()
        },
        async |stack| {
            stack.crm.set_faults(FaultPlan {
                delay_ms: 250,
                ..FaultPlan::default()
            });
            let run = stack.request_run().await;
            stack.created(200).await;
            stack.extractor.pause();
            let mut successor = stack.another("extractor");
            successor.start();
            successor.wait_for_log(r#""resumed":true"#).await;
            stack.extractor.resume();
            stack.settled(run).await;
            successor.wait_for_log(r#""message":"extracted""#).await;
            assert!(successor.terminate().await.status.success());
            assert!(!stack.extractor.log().contains(r#""message":"extracted""#));
            stack.all_crossed_once(run).await;
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
                dead += stack.settled(run).await.counts.of(Outcome::Dead);
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

/// A loader cannot record what it has created; meanwhile that is deleted, and another loader cannot find
/// those whose e-mail addresses the CRM writes in another way than the shop.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_loader_created_while_others_took_over_is_deleted_all_the_same() {
    let direct = test_url("POMOST_TEST_DATABASE_URL");
    let mut wire = Proxy::start(&direct, 5432).await;
    // As many messages as one loader has in hand: those of the deletions are left to the other.
    let edits = &[("flows/customers.yaml", "limit=200", "limit=8")];
    with_stack(
        StackOptions {
            customers: 32,
            edits,
            ..StackOptions::default()
        },
        async |stack| {
            assert!(stack.loader.terminate().await.status.success());
            let mut cut_off = stack
                .another("loader")
                .with_variable("POMOST_DATABASE_URL", wire.url(&direct));
            cut_off.start();
            // A loader takes its first message alone.
            let run = stack.request_run().await;
            stack.settled(run).await;
            stack.crm.edit(&CrmEdit {
                add: 32,
                ..CrmEdit::default()
            });
            let late = Fault::new(FaultTiming::Always, FaultAction::Late { ms: 2_000 }).on("POST");
            stack.shop.set_faults(FaultPlan::only(late));
            let created = stack.request_run().await;
            stack
                .created(stack.crm.expected().present.len() as u64)
                .await;
            wire.cut().await;
            stack.loader.start();
            stack.crm.edit(&CrmEdit {
                archive: (32..64).collect(),
                ..CrmEdit::default()
            });
            let deleted = stack.request_run().await;
            eventually(async || match stack.shop.counts().searched {
                8.. => Ok(()),
                searched => Err(format!("{searched} were looked for")),
            })
            .await;
            wire.mend().await;
            stack.settled(created).await;
            stack.settled(deleted).await;
            assert!(cut_off.terminate().await.status.success());
            assert!(cut_off.log().contains("another worker took over records"));
            stack.finish().await;
            let letters = stack.dead_letters().await;
            let dead: BTreeSet<&str> = letters.iter().map(|letter| letter.key()).collect();
            assert_eq!(
                dead,
                stack
                    .crm
                    .expected()
                    .dead
                    .keys()
                    .map(String::as_str)
                    .collect()
            );
            stack.shop_has_the_right_customers();
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_come_and_go_lose_and_repeat_nothing() {
    come_and_go(4_000).await;
}

/// As many as it takes for replicas to come and go for minutes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; ./tests/run faults runs it"]
async fn replicas_that_come_and_go_lose_and_repeat_nothing_of_100_000_records() {
    come_and_go(100_000).await;
}

/// Of each service in turn another joins, and the first is told to end.
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
