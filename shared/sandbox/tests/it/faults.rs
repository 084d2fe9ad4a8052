use std::time::{Duration, Instant};

use pomost_sandbox::{Fault, FaultAction, FaultPlan, FaultTiming, Shop};
use reqwest::Method;

use crate::client::{ask, client, customer, json_of, post, shop};

async fn faulty(when: FaultTiming, act: FaultAction) -> Shop {
    let shop = shop().await;
    shop.set_faults(FaultPlan::only(Fault::new(when, act).on("POST")));
    shop
}

#[tokio::test]
async fn the_next_requests_are_answered_with_a_status_and_retry_after() {
    let throttle = FaultAction::Answer {
        status: 429,
        retry_after: Some("3".to_owned()),
    };
    let shop = faulty(FaultTiming::Next(1), throttle).await;
    let answer = post(&shop, &customer(1)).await;
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.headers()["retry-after"], "3");
    assert_eq!(post(&shop, &customer(1)).await.status(), 201);
    assert_eq!((shop.counts().created, shop.counts().struck), (1, 1));
}

#[tokio::test]
async fn a_fraction_of_the_requests_fails_by_counting() {
    let shop = faulty(FaultTiming::OneIn(3), FaultAction::answer(503)).await;
    let mut statuses = Vec::new();
    for number in 0..6 {
        statuses.push(post(&shop, &customer(number)).await.status().as_u16());
    }
    assert_eq!(statuses, [201, 201, 503, 201, 201, 503]);
}

#[tokio::test]
async fn a_write_may_be_applied_without_an_answer() {
    let shop = faulty(FaultTiming::Always, FaultAction::HangUpAfter).await;
    assert!(
        ask(&shop, Method::POST, "/customers", &customer(1).to_string())
            .await
            .is_err()
    );
    assert_eq!(shop.snapshot().tallies["x-1"].created, 1);
}

#[tokio::test]
async fn a_connection_may_close_without_an_effect() {
    let shop = faulty(FaultTiming::Always, FaultAction::HangUp).await;
    assert!(
        ask(&shop, Method::POST, "/customers", &customer(1).to_string())
            .await
            .is_err()
    );
    assert_eq!(shop.counts().created, 0);
}

#[tokio::test]
async fn a_write_may_be_applied_and_answered_with_garbage() {
    let shop = faulty(FaultTiming::Always, FaultAction::Garbage).await;
    let answer = post(&shop, &customer(1)).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().starts_with("<html>"));
    assert_eq!(shop.counts().created, 1);
}

#[tokio::test]
async fn a_write_may_be_applied_and_its_answer_break_off() {
    let shop = faulty(FaultTiming::Always, FaultAction::BreakOff).await;
    let mut answer = post(&shop, &customer(1)).await;
    assert_eq!(answer.status(), 201);
    assert!(
        answer
            .chunk()
            .await
            .unwrap()
            .unwrap()
            .starts_with(b"{\"customer\":")
    );
    assert!(answer.chunk().await.is_err());
    assert_eq!(shop.counts().created, 1);
}

#[tokio::test]
async fn a_late_answer_has_its_effect_although_nobody_waits_for_it() {
    let shop = faulty(FaultTiming::Always, FaultAction::Late { ms: 60_000 }).await;
    let request = client()
        .post(format!("{}/customers", shop.url()))
        .header("X-Api-Key", "sandbox-shop-key");
    let request = request
        .body(customer(1).to_string())
        .timeout(Duration::from_millis(300));
    assert!(request.send().await.unwrap_err().is_timeout());
    assert_eq!(shop.counts().created, 1);
}

#[tokio::test]
async fn a_write_may_be_applied_after_the_connection_was_closed() {
    let shop = faulty(FaultTiming::Next(1), FaultAction::EffectAfter { ms: 200 }).await;
    assert!(
        ask(&shop, Method::POST, "/customers", &customer(1).to_string())
            .await
            .is_err()
    );
    assert_eq!(shop.counts().created, 0);
    while shop.counts().created == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn every_request_waits_for_the_delay() {
    let shop = shop().await;
    shop.set_faults(FaultPlan {
        delay_ms: 50,
        faults: Vec::new(),
    });
    let start = Instant::now();
    post(&shop, &customer(1)).await;
    assert!(start.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn another_process_sets_faults_over_http() {
    let shop = shop().await;
    let order = client()
        .post(format!("{}/_sandbox/faults", shop.url()))
        .header("content-type", "application/json");
    let faults = r#"{"faults": [{"act": {"answer": {"status": 401}}, "when": "always", "method": "GET"},
                                {"act": "hang_up", "when": {"next": 1}}]}"#;
    assert_eq!(order.body(faults).send().await.unwrap().status(), 204);
    let answer = ask(&shop, Method::GET, "/customers", "").await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(json_of(answer).await["error"], "Unauthorized");
    assert!(ask(&shop, Method::POST, "/customers", "{}").await.is_err());
}
