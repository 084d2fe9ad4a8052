#![allow(clippy::unwrap_used)]
use pomost_broker::{conformance::*, *};
use pomost_models::Stage;
use std::time::Instant;
#[tokio::test(flavor = "multi_thread")]
async fn hazard() {
    let url = std::env::var("POMOST_TEST_AMQP_URL").unwrap();
    let broker = RabbitMq::connect_with(&url, "hazard", Limits { length: 5, ..Limits::default() }).await.unwrap();
    broker.declare(&[FLOW.to_owned()]).await.unwrap();
    let full = Queue::work(Stage::Transform, FLOW);
    while broker.publish(&Route::to(full.clone()), messages(0..1)).await.is_ok() {}
    broker.publish(&Route::delayed(full.clone(), 1), messages(0..200)).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let free = Queue::work(Stage::Load, FLOW);
    let started = Instant::now();
    broker.publish(&Route::delayed(free.clone(), 1), messages(0..1)).await.unwrap();
    let mut consumer = broker.consume(&free, 1).await.unwrap();
    let got = tokio::time::timeout(std::time::Duration::from_secs(60), consumer.next()).await;
    println!("HAZARD other queue got it: {} after {:?}", got.is_ok(), started.elapsed());
    // now drain the full queue and see when the delayed ones arrive
    let mut drain = broker.consume(&full, 10).await.unwrap();
    let started = Instant::now();
    let mut n = 0;
    while let Ok(Some(d)) = tokio::time::timeout(std::time::Duration::from_secs(200), drain.next()).await {
        d.acknowledge().await.unwrap();
        n += 1;
        if n % 20 == 0 || n < 10 { println!("HAZARD {n} after {:?}", started.elapsed()); }
        if n >= 205 { break; }
    }
    if got.is_err() {
        let got = tokio::time::timeout(std::time::Duration::from_secs(200), consumer.next()).await;
        println!("HAZARD other queue at last: {} after {:?}", got.is_ok(), started.elapsed());
    }
    broker.delete_everything(&[FLOW.to_owned()]).await.unwrap();
}
