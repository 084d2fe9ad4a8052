//! Services are killed in the middle of a run, again and again.

use pomost_sandbox::FaultPlan;
use pomost_tests::{SeededRandom, Service, Stack, StackOptions, with_stack};

const CUSTOMERS: u32 = 2_000;

const KILLS: u64 = 6;

/// The source is so slow that all three services are busy until the end.
const SLOW: FaultPlan = FaultPlan {
    delay_ms: 250,
    faults: Vec::new(),
};

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_extractor_loses_and_doubles_nothing() {
    killing(|stack| vec![&mut stack.extractor]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_transformer_loses_and_doubles_nothing() {
    killing(|stack| vec![&mut stack.transformer]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_loader_loses_and_doubles_nothing() {
    killing(|stack| vec![&mut stack.loader]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_any_service_loses_and_doubles_nothing() {
    killing(|stack| stack.services()).await;
}

async fn killing(victims: impl Fn(&mut Stack) -> Vec<&mut Service>) {
    let mut random = SeededRandom::new();
    with_stack(
        StackOptions {
            customers: CUSTOMERS,
            ..StackOptions::default()
        },
        async |stack| {
            stack.crm.set_faults(SLOW);
            let run = stack.request_run().await;
            for customers in random.moments(KILLS, u64::from(CUSTOMERS) * 9 / 10) {
                stack.created(customers).await;
                random.short_pause().await;
                let victim = random.pick(victims(stack));
                victim.kill().await;
                victim.start();
            }
            stack.all_crossed_once(run).await;
        },
    )
    .await;
}
