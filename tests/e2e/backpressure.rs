//! A loader stands still, or is not there, while the source has far more than the queues hold.

use pomost_tests::{Namespace, Stack, StackOptions, eventually, for_a_while, with_stack};

/// One record a message makes many times more messages than the two queues on the way hold.
const CUSTOMERS: u32 = 50_000;
const SMALL_BATCHES: &[(&str, &str, &str)] = &[(
    "flows/customers.yaml",
    "flow: customers\n",
    "flow: customers\nbatch_size: 1\n",
)];

/// How many messages a queue holds, and how many may come on top of that: those on their way while the
/// queue fills up.
const FULL: u32 = 1_000;
const ON_THEIR_WAY: u32 = 100;

/// What a service may take for all that it does. The records that it has no place for would take more.
const ROOM: u64 = 32 * 1024 * 1024;

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
        eventually(async || match lengths(&stack.namespace).await {
            lengths if lengths.iter().all(|length| *length >= FULL) => Ok(()),
            lengths => Err(format!("{lengths:?} messages wait")),
        })
        .await;
        for_a_while(async || {
            let lengths = lengths(&stack.namespace).await;
            assert!(
                lengths.iter().all(|length| *length <= FULL + ON_THEIR_WAY),
                "{lengths:?}"
            );
            let now = self::memory(stack);
            assert!(
                now.iter()
                    .zip(memory)
                    .all(|(now, then)| *now <= then + ROOM),
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

/// How many messages wait in the queues on the way.
async fn lengths(namespace: &Namespace) -> [u32; 2] {
    let [transform, load] = ["transform.customers.backfill", "load.customers.backfill"]
        .map(|queue| namespace.queue_length(queue));
    let (transform, load) = tokio::join!(transform, load);
    [transform.unwrap(), load.unwrap()]
}

/// The memory of those who run on.
fn memory(stack: &Stack) -> [u64; 2] {
    [
        stack.extractor.memory_bytes(),
        stack.transformer.memory_bytes(),
    ]
}
