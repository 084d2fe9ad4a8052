//! `examples/stock-both-ways`.

mod erp;
mod shop;

use std::net::SocketAddr;

use pomost_extractor::Scheduling;
use pomost_tests::eventually;

use super::ExampleProject;
use crate::support::{
    CLAIM, RunningServices, outcomes_of_deliveries, send_request, unhurried_limits,
};
use erp::{Erp, Item};
use shop::{Product, Shop};

#[tokio::test(flavor = "multi_thread")]
async fn what_each_side_owns_reaches_the_other() {
    let stock = Stock::begin().await;
    stock.is_in_step().await;
    assert_eq!(
        stock.shop.products(),
        [
            Product {
                sku: "CUP",
                reserved: 1,
                available: 0
            },
            Product {
                sku: "GIFT",
                reserved: 9,
                available: 0
            },
            Product {
                sku: "MUG",
                reserved: 2,
                available: 8
            },
            Product {
                sku: "PEN",
                reserved: 0,
                available: 5
            },
        ]
    );
    assert_eq!(
        stock.erp.items(),
        [
            Item {
                code: "BOLT",
                on_hand: 7,
                reserved: 0
            },
            Item {
                code: "CUP",
                on_hand: 1,
                reserved: 1
            },
            Item {
                code: "MUG",
                on_hand: 10,
                reserved: 2
            },
            Item {
                code: "PEN",
                on_hand: 5,
                reserved: 0
            },
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_reaches_the_erp_at_once_and_its_echo_ends() {
    let stock = Stock::begin().await;
    stock.is_in_step().await;
    let (running, hook) = stock.receive_deliveries().await;

    // What the first availability has changed comes back, and goes no further.
    assert_eq!(stock.shop.deliver(hook).await, ["taken"; 3]);
    assert_eq!(stock.deliveries().await, [("unchanged", 3)]);
    let writes = stock.writes();

    stock.shop.order("MUG", 3);
    assert_eq!(stock.shop.deliver(hook).await, ["taken"]);
    eventually(async || match stock.erp.items()[2].reserved {
        5 => Ok(()),
        reserved => Err(format!("{reserved} reserved")),
    })
    .await;
    assert_eq!(stock.deliveries().await, [("updated", 1), ("unchanged", 3)]);
    assert_eq!(stock.example.sync("availability").await, "1 updated");
    assert_eq!(
        stock.shop.products()[2],
        Product {
            sku: "MUG",
            reserved: 5,
            available: 5
        }
    );
    // The order had changed the product since its ETag was seen.
    assert_eq!(stock.shop.mismatches(), 1);

    assert_eq!(stock.shop.deliver(hook).await, ["taken"]);
    assert_eq!(stock.deliveries().await, [("updated", 1), ("unchanged", 4)]);
    assert_eq!(stock.example.sync("availability").await, "no records");
    assert_eq!(
        stock.example.sync("reservations").await,
        "3 unchanged, 1 filtered"
    );
    assert_eq!(
        stock.writes(),
        (writes.0 + 1, writes.1 + 1),
        "one there and one back"
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn goods_that_arrive_reach_the_shop_and_come_back_no_more() {
    let stock = Stock::begin().await;
    stock.is_in_step().await;
    let writes = stock.writes();
    stock.erp.receive("CUP", 20);
    assert_eq!(stock.example.sync("availability").await, "1 updated");
    assert_eq!(
        stock.shop.products()[0],
        Product {
            sku: "CUP",
            reserved: 1,
            available: 20
        }
    );
    assert_eq!(
        stock.example.sync("reservations").await,
        "3 unchanged, 1 filtered"
    );
    assert_eq!(stock.example.sync("availability").await, "no records");
    assert_eq!(stock.writes(), (writes.0, writes.1 + 1));
    assert_eq!(stock.shop.mismatches(), 0);
}

/// One of the goods stood on the page that was read, and the other one stands on the next page.
#[tokio::test(flavor = "multi_thread")]
async fn goods_that_arrive_while_the_items_are_read_reach_the_shop_with_the_next_run_at_the_latest()
{
    let stock = Stock::begin().await;
    stock.erp.receive_after_a_page([("CUP", 20), ("PEN", 1)]);
    for _ in 0..2 {
        stock.example.sync("availability").await;
    }
    let available: Vec<_> = stock
        .shop
        .products()
        .into_iter()
        .map(|product| product.available)
        .collect();
    assert_eq!(available, [21, 0, 10, 6], "of CUP, GIFT, MUG and PEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_delivery_was_lost_is_found_by_polling() {
    let stock = Stock::begin().await;
    stock.is_in_step().await;
    let (running, hook) = stock.receive_deliveries().await;
    stock.shop.order("PEN", 2);
    stock.shop.lose_deliveries();
    assert_eq!(
        stock.example.sync("reservations").await,
        "1 updated, 2 unchanged, 1 filtered"
    );
    // The one before it comes late.
    assert_eq!(stock.shop.deliver_anew("PEN", 1, hook).await, "taken");
    assert_eq!(stock.deliveries().await, [("stale", 1)]);
    assert_eq!(
        stock.erp.items()[3],
        Item {
            code: "PEN",
            on_hand: 5,
            reserved: 2
        }
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_shop_has_not_signed_is_not_taken() {
    let stock = Stock::begin().await;
    let (running, hook) = stock.receive_deliveries().await;
    let body = r#"{"sku":"MUG","reserved":100,"available":0,"updated_at":"2030-01-01T00:00:00Z"}"#;
    let forged = format!(
        "X-Shopify-Hmac-SHA256: {}\r\n",
        shop::signature("another secret", body)
    );
    for headers in ["", &forged] {
        assert_eq!(
            send_request(
                "POST",
                &format!("http://{hook}/shop/products"),
                headers,
                body
            )
            .await
            .0,
            401
        );
    }
    assert_eq!(stock.deliveries().await, []);
    assert_eq!(stock.erp.writes(), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_system_lets_in_who_shows_nothing() {
    let stock = Stock::begin().await;
    assert_eq!(
        send_request(
            "PATCH",
            &format!("{}/products/MUG", stock.shop.url()),
            "",
            "{}"
        )
        .await
        .0,
        401
    );
    assert_eq!(
        send_request("GET", &format!("{}/items", stock.erp.url()), "", "")
            .await
            .0,
        401
    );
}

/// A shop and an ERP with the example between them.
struct Stock {
    shop: Shop,
    erp: Erp,
    example: ExampleProject,
}

impl Stock {
    async fn begin() -> Stock {
        let (shop, erp) = (Shop::start().await, Erp::start().await);
        let variables = [
            ("SHOP_URL", shop.url()),
            ("SHOP_TOKEN", shop::TOKEN),
            ("SHOP_WEBHOOK_SECRET", shop::WEBHOOK_SECRET),
            ("ERP_URL", erp.url()),
            ("ERP_TOKEN", erp::TOKEN),
        ];
        let example = ExampleProject::new("stock-both-ways", &variables);
        Stock { shop, erp, example }
    }

    /// Runs both flows once. One record of each does not exist on the other side.
    async fn is_in_step(&self) {
        for flow in ["reservations", "availability"] {
            assert_eq!(self.example.sync(flow).await, "3 updated, 1 filtered");
        }
    }

    /// Runs the services with webhooks; returns the address of the receiver.
    async fn receive_deliveries(&self) -> (RunningServices, SocketAddr) {
        let running =
            RunningServices::start(self.example.directory(), CLAIM, Scheduling::Off, |broker| {
                broker
            })
            .await;
        let (hook, _) = running.receive_webhooks(unhurried_limits()).await;
        (running, hook)
    }

    async fn deliveries(&self) -> Vec<(&'static str, u64)> {
        outcomes_of_deliveries(&*self.example.backends().await.store, "reservations").await
    }

    /// Numbers of writes to the ERP and to the shop.
    fn writes(&self) -> (usize, usize) {
        (self.erp.writes(), self.shop.writes())
    }
}
