//! A destination with a rate limit.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use crate::support::{Flow, World, outcomes, wait_for_things};

#[tokio::test(flavor = "multi_thread")]
async fn records_beyond_the_rate_limit_wait_at_no_cost_and_hold_up_no_shutdown() {
    let rows = ["a", "b", "c", "d", "e", "f"].map(|key| json!({ "key": key }));
    let flow = Flow {
        load: "retry: { attempts: 1 }",
        ..Flow::default()
    };
    let (world, _) = World::with_rows(rows, flow).await;
    let system = format!("system: shop\nbase_url: {}\n", world.shop.server.url);
    world.write(
        "systems/shop.yaml",
        &format!("{system}rate_limit: {{ limit: 1/h, burst: 2 }}\n"),
    );
    let running = world.start().await;
    let run = running.request(None).await;
    wait_for_things(&world.shop, 1).await;
    timeout(Duration::from_secs(15), running.stop())
        .await
        .expect("it waits for its turn all the same");
    // A slot that a busy machine does not use in its time is lost.
    let made = world.shop.server.count_method("POST");
    assert!((1..=3).contains(&made), "{made} were made");
    world.write("systems/shop.yaml", &system);
    // Those that found no slot in time are delayed until the next one is due.
    world.end_delays();
    assert_eq!(outcomes(&world.finish(run).await), [("created", 6)]);
    assert_eq!(world.shop.server.count_method("POST"), 6);
}
