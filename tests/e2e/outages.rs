//! The CRM and the shop fail in all the ways that systems fail.

use pomost_models::{DeadLetterReason, Outcome, RunId, Stage};
use pomost_sandbox::{Fault, FaultAction, FaultPlan, FaultTiming};
use pomost_tests::{Stack, StackOptions, WireState, eventually, with_stack};

const CUSTOMERS: u32 = 500;

fn options() -> StackOptions {
    StackOptions {
        customers: CUSTOMERS,
        ..StackOptions::default()
    }
}

fn answer(status: u16, retry_after: &str) -> FaultAction {
    FaultAction::Answer {
        status,
        retry_after: Some(retry_after.to_owned()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_is_away_is_waited_for() {
    let options = StackOptions {
        shop_wire: true,
        ..options()
    };
    with_stack(options, async |stack| {
        // It goes away in the middle of the first requests.
        stack.shop_wire().set(WireState::ResponsesHeld);
        let run = stack.request_run().await;
        stack.created(10).await;
        stack.shop_wire().cut().await;
        let loader = &stack.loader;
        loader
            .wait_for_log("the system is down; its flows wait")
            .await;
        shows(stack, "SYSTEM  DOWN SINCE", true).await;
        stack.shop_wire().set(WireState::Open);
        stack.shop_wire().mend().await;
        stack.all_crossed_once(run).await;
        shows(stack, "DOWN SINCE", false).await;
    })
    .await;
}

/// Waits until `pomost status` shows this, or does not.
async fn shows(stack: &Stack, text: &str, shown: bool) {
    eventually(async || match stack.pomost(&["status"]).await {
        status if status.contains(text) == shown => Ok(()),
        status => Err(status),
    })
    .await;
}

/// The first failures open the breaker; those after it meet the probes.
#[tokio::test(flavor = "multi_thread")]
async fn a_shop_that_refuses_the_key_fails_or_throttles_is_waited_for() {
    with_stack(
        StackOptions {
            customers: 50,
            ..StackOptions::default()
        },
        async |stack| {
            let faults = [
                Fault::new(FaultTiming::Next(5), FaultAction::answer(401)),
                Fault::new(FaultTiming::Next(5), FaultAction::answer(403)),
                Fault::new(FaultTiming::Next(2), FaultAction::answer(500)).on("POST"),
                Fault::new(FaultTiming::Next(2), answer(503, "1")),
                Fault::new(FaultTiming::Next(2), answer(429, "1")),
            ];
            stack.shop.set_faults(FaultPlan {
                delay_ms: 0,
                faults: faults.into(),
            });
            let run = stack.request_run().await;
            stack.all_crossed_once(run).await;
            assert_eq!(stack.shop.counts().struck, 16);
            assert!(stack.loader.log().contains("the system is up again"));
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn creates_that_took_place_without_an_answer_are_not_repeated() {
    in_a_shop_that(
        Fault::new(FaultTiming::OneIn(5), FaultAction::HangUpAfter).on("POST"),
        looked_up,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn creates_that_took_place_with_a_senseless_answer_are_not_repeated() {
    in_a_shop_that(
        Fault::new(FaultTiming::OneIn(5), FaultAction::Garbage).on("POST"),
        looked_up,
    )
    .await;
}

/// The shop cannot be searched at first. Creates in doubt stay so until it can.
#[tokio::test(flavor = "multi_thread")]
async fn creates_in_doubt_wait_for_the_lookup() {
    with_stack(options(), async |stack| {
        let silent = Fault::new(FaultTiming::OneIn(5), FaultAction::HangUpAfter).on("POST");
        let search_fails = Fault::new(FaultTiming::Next(5), answer(503, "1")).on("GET");
        stack.shop.set_faults(FaultPlan {
            delay_ms: 0,
            faults: vec![silent, search_fails],
        });
        let run = stack.request_run().await;
        stack.all_crossed_once(run).await;
    })
    .await;
}

async fn looked_up(stack: &mut Stack, run: RunId) {
    let updated = stack.settled(run).await.counts.count(Outcome::Updated);
    assert!(
        updated > 0 && stack.shop.counts().searched >= updated,
        "{:?}",
        stack.shop.counts()
    );
}

async fn in_a_shop_that(fault: Fault, and: impl AsyncFn(&mut Stack, RunId)) {
    with_stack(options(), async |stack| {
        stack.shop.set_faults(FaultPlan::only(fault));
        let run = stack.request_run().await;
        stack.all_crossed_once(run).await;
        assert!(stack.shop.counts().struck > 0);
        and(stack, run).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crm_that_is_away_throttles_and_hangs_up_is_read_to_its_end() {
    with_stack(
        StackOptions {
            customers: 1_000,
            ..StackOptions::default()
        },
        async |stack| {
            // Each strikes, and pages come between them: after each failure in a row the wait is
            // longer.
            let faults = [
                Fault::new(FaultTiming::OneIn(8), answer(503, "1")),
                Fault::new(FaultTiming::OneIn(6), FaultAction::answer(401)),
                Fault::new(FaultTiming::OneIn(4), FaultAction::answer(500)),
                Fault::new(FaultTiming::OneIn(2), FaultAction::HangUpAfter),
            ];
            stack.crm.set_faults(FaultPlan {
                delay_ms: 0,
                faults: faults.into(),
            });
            stack.crm.pause().await;
            let run = stack.request_run().await;
            stack
                .extractor
                .wait_for_log(r#""class":"unreachable""#)
                .await;
            stack.crm.resume().await.unwrap();
            stack.all_crossed_once(run).await;
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_shop_refuses_dies_at_once_and_crosses_when_it_is_replayed() {
    with_stack(options(), async |stack| {
        stack.shop.set_faults(FaultPlan::only(
            Fault::new(FaultTiming::Next(7), FaultAction::answer(422)).on("POST"),
        ));
        let run = stack.request_run().await;
        let counts = stack.settled(run).await.counts;
        let refused = dead_at_load(stack).await;
        assert_eq!(refused.len(), 7);
        assert!(
            refused
                .iter()
                .all(|(reason, attempts)| (*reason, *attempts) == (DeadLetterReason::Invalid, 1))
        );
        assert_eq!(
            counts.count(Outcome::Dead) as usize,
            stack.crm.expected().dead.len() + 7
        );
        let printed = stack.pomost(&["dead", "replay", "--stage", "load"]).await;
        assert!(printed.contains("7 dead letters go to load"), "{printed}");
        stack
            .created(stack.crm.expected().present.len() as u64)
            .await;
        stack.finish().await;
        stack.shop_is_right();
        stack.only_the_hopeless_are_dead().await;
    })
    .await;
}

async fn dead_at_load(stack: &Stack) -> Vec<(DeadLetterReason, u32)> {
    let letters = stack
        .dead_letters()
        .await
        .into_iter()
        .filter(|letter| letter.stage == Stage::Load);
    letters
        .map(|letter| (letter.reason, letter.attempts))
        .collect()
}
