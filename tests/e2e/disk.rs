//! The disk is full under the embedded files.

use pomost_sandbox::FaultPlan;
use pomost_tests::{StackOptions, with_stack};

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_waited_for_and_loses_and_doubles_nothing() {
    with_stack(
        StackOptions {
            customers: 2_000,
            embedded: true,
            ..StackOptions::default()
        },
        async |stack| {
            stack.crm.set_faults(FaultPlan {
                delay_ms: 250,
                ..FaultPlan::default()
            });
            let run = stack.request_run().await;
            for customers in [100, 500, 1_000] {
                stack.created(customers).await;
                let said = stack.all_in_one.log().len();
                stack.all_in_one.set_full_disk(true);
                stack
                    .all_in_one
                    .wait_for_log_after(said, "disk I/O error")
                    .await;
                assert_eq!(stack.all_in_one.get("/healthz").await.0, 200);
                stack.all_in_one.set_full_disk(false);
            }
            stack.all_crossed_once(run).await;
        },
    )
    .await;
}
