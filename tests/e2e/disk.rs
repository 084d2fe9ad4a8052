//! The disk with the embedded files is full.

use pomost_sandbox::FaultPlan;
use pomost_tests::{StackOptions, pages_and_no_more, with_stack};

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_waited_for_and_loses_and_doubles_nothing() {
    with_stack(
        StackOptions {
            customers: 2_000,
            embedded: true,
            ..StackOptions::default()
        },
        async |stack| {
            stack.crm.set_faults(pages_and_no_more(1));
            let run = stack.request_run().await;
            // The run is not over while the disk is full, so that there is something to write.
            for (customers, more_pages) in [(100, 2), (500, 2), (800, 5)] {
                stack.created(customers).await;
                let logged = stack.all_in_one.log().len();
                stack.all_in_one.set_full_disk(true);
                stack
                    .all_in_one
                    .wait_for_log_after(logged, "disk I/O error")
                    .await;
                assert_eq!(stack.all_in_one.get("/healthz").await.0, 200);
                stack.all_in_one.set_full_disk(false);
                stack.crm.set_faults(pages_and_no_more(more_pages));
            }
            stack.crm.set_faults(FaultPlan::default());
            stack.all_crossed_once(run).await;
        },
    )
    .await;
}
