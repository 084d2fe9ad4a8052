//! The loader is paused or killed while the source has far more records than the queues hold.

use pomost_tests::{Namespace, Stack, StackOptions, eventually, for_a_while, with_stack};

/// With one record in a message these are many times more messages than the two queues on the way
/// hold.
const CUSTOMERS: u32 = 50_000;
const SMALL_BATCHES: &[(&str, &str, &str)] = &[(
    "flows/customers.yaml",
    "flow: customers\n",
    "flow: customers\nbatch_size: 1\n",
)];

/// Number of messages in a full queue, and of those that may come on top of them since they were on
/// their way while the queue filled up.
const QUEUE_LIMIT: u32 = 1_000;
const ON_THEIR_WAY: u32 = 100;

/// Number of bytes by which the memory of a service may grow. The records that the queues do not
/// hold would take more.
const GROWTH_BYTES: u64 = 32 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_that_stands_still_stops_the_extractor_and_grows_nobody() {
    filling_up(
        |stack| Box::pin(async { stack.loader.pause() }),
        |stack| stack.loader.resume(),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_that_is_not_there_stops_the_extractor_and_grows_nobody() {
    filling_up(
        |stack| Box::pin(stack.loader.kill()),
        |stack| stack.loader.start(),
    )
    .await;
}

async fn filling_up(
    stop: impl for<'a> Fn(&'a mut Stack) -> Pending<'a>,
    go_on: impl Fn(&mut Stack),
) {
    let options = StackOptions {
        customers: CUSTOMERS,
        edits: SMALL_BATCHES,
        ..StackOptions::default()
    };
    with_stack(options, async |stack| {
        stop(stack).await;
        let memory = memory(stack);
        let run = stack.request_run().await;
        eventually(async || match queue_lengths(&stack.namespace).await {
            lengths if lengths.iter().all(|length| *length >= QUEUE_LIMIT) => Ok(()),
            lengths => Err(format!("{lengths:?} messages wait")),
        })
        .await;
        for_a_while(async || {
            let lengths = queue_lengths(&stack.namespace).await;
            assert!(
                lengths
                    .iter()
                    .all(|length| *length <= QUEUE_LIMIT + ON_THEIR_WAY),
                "{lengths:?}"
            );
            let now = self::memory(stack);
            assert!(
                now.iter()
                    .zip(memory)
                    .all(|(now, then)| *now <= then + GROWTH_BYTES),
                "{memory:?}, then {now:?}"
            );
        })
        .await;
        let read = stack.run(run).await.unwrap().counts.records;
        assert!(read < u64::from(CUSTOMERS) / 10, "{read} were read");
        go_on(stack);
        eventually(async || match stack.run(run).await?.counts.records {
            more if more > read => Ok(()),
            records => Err(format!("{records} were read")),
        })
        .await;
    })
    .await;
}

type Pending<'a> = std::pin::Pin<Box<dyn Future<Output = ()> + 'a>>;

/// The lengths of the queues on the way.
async fn queue_lengths(namespace: &Namespace) -> [u32; 2] {
    let [transform, load] = ["transform.customers.backfill", "load.customers.backfill"]
        .map(|queue| namespace.queue_length(queue));
    let (transform, load) = tokio::join!(transform, load);
    [transform.unwrap(), load.unwrap()]
}

/// The memory of the services that go on, in bytes.
fn memory(stack: &Stack) -> [u64; 2] {
    [
        stack.extractor.memory_bytes(),
        stack.transformer.memory_bytes(),
    ]
}
