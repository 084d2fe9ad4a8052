//! Customers cross from the CRM to the shop.

use pomost_models::Outcome;
use pomost_sandbox::CrmEdit;
use pomost_tests::{StackOptions, with_stack};

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_customers_cross_once() {
    with_stack(
        StackOptions {
            customers: 10_000,
            ..StackOptions::default()
        },
        async |stack| {
            let run = stack.request_run().await;
            stack.all_crossed_once(run).await;
            assert_eq!(stack.shop.counts().updated, 0);
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_changed_is_sent_again() {
    with_stack(
        StackOptions {
            customers: 1_000,
            ..StackOptions::default()
        },
        async |stack| {
            let run = stack.request_run().await;
            stack.settled(run).await;
            let before = stack.shop.counts();
            let edit = CrmEdit {
                change: vec![1, 2, 3],
                touch: vec![4, 5],
                archive: vec![6],
                add: 2,
            };
            stack.crm.edit(&edit);
            let run = stack.request_run().await;
            let counts = stack.settled(run).await.counts;
            stack.finish().await;
            let after = stack.shop.counts();
            assert_eq!(
                (
                    counts.count(Outcome::Updated),
                    after.updated - before.updated
                ),
                (3, 3)
            );
            assert_eq!(
                (
                    counts.count(Outcome::Created),
                    after.created - before.created
                ),
                (2, 2)
            );
            assert_eq!(
                (
                    counts.count(Outcome::Deleted),
                    after.deleted - before.deleted
                ),
                (1, 1)
            );
            pomost_sandbox::verify(&stack.crm.expected(), &stack.shop.snapshot()).unwrap();
        },
    )
    .await;
}
