//! More than one process of a service.

use pomost_models::Outcome;
use pomost_sandbox::{Edit, Faults, verify};
use pomost_tests::{Options, prove};

#[tokio::test(flavor = "multi_thread")]
async fn an_extractor_that_was_paused_leaves_the_run_to_its_successor() {
    prove(Options { customers: 3_000, ..Options::default() }, async |stack| {
        stack.crm.set_faults(Faults { delay_ms: 250, ..Faults::default() });
        let run = stack.request_run().await;
        stack.created(200).await;
        stack.extractor.pause();
        let mut successor = stack.another("extractor");
        successor.start();
        successor.says(r#""resumed":true"#).await;
        stack.extractor.resume();
        stack.settled(run).await;
        successor.says(r#""message":"extracted""#).await;
        assert!(successor.terminate().await.status.success());
        assert!(!stack.extractor.log().contains(r#""message":"extracted""#));
        stack.all_crossed_once(run).await;
    })
    .await;
}

/// Two changes of each customer are under way at a time, and several loaders take them.
#[tokio::test(flavor = "multi_thread")]
async fn several_loaders_apply_changes_in_order() {
    prove(Options { customers: 500, ..Options::default() }, async |stack| {
        let mut others = [stack.another("loader"), stack.another("transformer")];
        others.iter_mut().for_each(|service| service.start());
        let mut runs = Vec::new();
        for _ in 0..4 {
            let run = stack.request_run().await;
            stack.extracted(run).await;
            runs.push(run);
            stack.crm.edit(&Edit { change: (0..500).collect(), ..Edit::default() });
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
    })
    .await;
}
