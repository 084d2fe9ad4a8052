//! Requests that take effect at the destination after the loader has given them up.

use std::time::Duration;

use pomost_extractor::Scheduling;
use pomost_sandbox::{Fault, FaultAction, FaultPlan, FaultTiming, Shop, ShopOptions};
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use crate::support::{Flow, LOOKUP, Reply, World, outcomes, wait_for_method};

/// A customer as the sandbox takes it.
fn customer() -> serde_json::Value {
    customer_named("Jan Kos")
}

fn customer_named(name: &str) -> serde_json::Value {
    json!({
        "key": "x-1", "external_id": "x-1", "email": "jan@example.com", "name": name, "customer_since": "2019-11-12",
        "balance": 0, "newsletter": true, "sms": false,
    })
}

const CUSTOMERS: &str = r#"create: { request: POST /customers, id: .customer.id }
update: { request: "PUT /customers/{$id}" }
lookup: { request: "GET /customers?email={.email}", id: ".customers[0].id" }"#;

/// Makes the flow load into the sandbox, and gives its requests up after this time.
fn load_into(world: &World, shop: &Shop, timeout: &str) {
    let auth = "auth: { api_key: { header: X-Api-Key, value: \"${TOKEN}\" } }";
    world.write(
        "systems/shop.yaml",
        &format!(
            "system: shop\nbase_url: {}\n{auth}\ntimeout: {timeout}\n",
            shop.url()
        ),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_that_takes_effect_after_it_was_given_up_is_not_made_twice() {
    let faults = FaultPlan::only(
        Fault::new(FaultTiming::Next(1), FaultAction::EffectAfter { ms: 1_500 }).on("POST"),
    );
    let options = ShopOptions {
        allow_duplicates: true,
        key: "secret-of-the-tests".to_owned(),
        faults,
        ..ShopOptions::default()
    };
    let shop = Shop::start(options).await.unwrap();
    let flow = Flow {
        writes: CUSTOMERS,
        transform: "map: del(.key)",
        ..Flow::default()
    };
    let (world, _) = World::with_rows([customer()], flow).await;
    load_into(&world, &shop, "10s");
    assert_eq!(outcomes(&world.sync().await), [("updated", 1)]);
    assert_eq!(
        (shop.counts().created, shop.snapshot().customers.len()),
        (1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_takes_effect_after_it_was_given_up_does_not_undo_a_newer_one() {
    let shop = Shop::start(ShopOptions {
        key: "secret-of-the-tests".to_owned(),
        ..ShopOptions::default()
    })
    .await
    .unwrap();
    let flow = Flow {
        writes: CUSTOMERS,
        transform: "map: del(.key)",
        ..Flow::default()
    };
    let (world, rows) = World::with_rows([customer()], flow).await;
    load_into(&world, &shop, "5s");
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    let late = FaultAction::EffectAfter { ms: 3_000 };
    shop.set_faults(FaultPlan::only(
        Fault::new(FaultTiming::Next(1), late).on("PUT"),
    ));
    let running = world.start().await;
    rows.set([customer_named("Jan Kos-Maj")]);
    let given_up = running.request(None).await;
    pomost_tests::eventually(async || match shop.counts().struck {
        0 => Err("the update was not made"),
        _ => Ok(()),
    })
    .await;
    let has_taken_effect = Instant::now() + Duration::from_millis(3_500);
    rows.set([customer_named("Jan Maj")]);
    let newer = running.request(None).await;
    assert_eq!(outcomes(&running.ended(newer).await), [("updated", 1)]);
    running.ended(given_up).await;
    running.stop().await;
    sleep_until(has_taken_effect).await;
    let customers = shop.snapshot().customers;
    let [customer] = &customers[..] else {
        panic!("{customers:?}");
    };
    assert!(
        customer.customer.get().contains(r#""Jan Maj""#),
        "{customer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_asked_for_is_not_made_again_before_it_can_have_ended() {
    let (world, _) = World::with_rows([json!({"key": "a", "n": 1})], Flow::with_lookup()).await;
    world.shop.fail("POST", 1, Reply::never);
    let running = world.start_to_be_killed(Scheduling::Off).await;
    let run = running.request(None).await;
    wait_for_method(&world.shop.server, "POST", 1).await;
    running.kill().await;
    let running = world.start().await;
    wait_for_method(&world.shop.server, "GET", 1).await;
    world.shop.put("t0001", json!({"key": "a", "n": 1}));
    assert_eq!(outcomes(&running.ended(run).await), [("updated", 1)]);
    running.stop().await;
    assert_eq!(
        (
            world.shop.server.count_method("POST"),
            world.shop.things().len()
        ),
        (1, 1)
    );
}

/// Waiting for the time-out does not count towards the attempts.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_taken_effect_when_the_time_out_has_passed_again_is_made() {
    let load = format!("{LOOKUP}\nretry: {{ attempts: 2 }}").leak();
    let (world, _) = World::with_rows(
        [json!({"key": "a", "n": 1})],
        Flow {
            load,
            ..Flow::default()
        },
    )
    .await;
    world.set_shop_timeout("3s");
    world.shop.fail("POST", 1, Reply::broken_off);
    assert_eq!(outcomes(&world.sync().await), [("created", 1)]);
    let posts: Vec<_> = world
        .shop
        .server
        .requests()
        .into_iter()
        .filter(|request| request.method == "POST")
        .map(|request| request.received_at)
        .collect();
    assert!(
        posts.len() == 2 && posts[1] - posts[0] >= Duration::from_secs(3),
        "it was made as soon as it was not found: {posts:?}"
    );
}
