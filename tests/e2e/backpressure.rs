//! A loader stands still, or is not there, while the source has far more than the queues hold.

use pomost_tests::{Namespace, Options, Stack, eventually, for_a_while, prove};

/// Two records a message make more messages than the two queues on the way hold.
const CUSTOMERS: u32 = 5_000;
const SMALL_BATCHES: &[(&str, &str, &str)] =
    &[("flows/customers.yaml", "flow: customers\n", "flow: customers\nbatch_size: 2\n")];

/// How many messages a queue holds, and how many may come on top of that: those on their way while the
/// queue fills up.
const FULL: u32 = 1_000;
const ON_THEIR_WAY: u32 = 100;

/// What a service may take more while it waits. The records that wait would be some tens of megabytes.
const ROOM: u64 = 8 * 1024 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_that_stands_still_stops_the_extractor_and_grows_nobody() {
    filling_up(|stack| Box::pin(async { stack.loader.pause() }), |stack| stack.loader.resume()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loader_that_is_not_there_stops_the_extractor_and_grows_nobody() {
    filling_up(|stack| Box::pin(stack.loader.kill()), |stack| stack.loader.start()).await;
}

async fn filling_up(stop: impl for<'a> Fn(&'a mut Stack) -> Pending<'a>, go_on: impl Fn(&mut Stack)) {
    let options = Options { customers: CUSTOMERS, edits: SMALL_BATCHES, ..Options::default() };
    prove(options, async |stack| {
        stop(stack).await;
        let run = stack.request_run().await;
        eventually(async || match lengths(&stack.namespace).await {
            lengths if lengths.iter().all(|length| *length >= FULL) => Ok(()),
            lengths => Err(format!("{lengths:?} messages wait")),
        })
        .await;
        let memory = memory(stack);
        for_a_while(async || {
            let lengths = lengths(&stack.namespace).await;
            assert!(lengths.iter().all(|length| *length <= FULL + ON_THEIR_WAY), "{lengths:?}");
            let now = self::memory(stack);
            assert!(
                now.iter().zip(memory).all(|(now, then)| *now <= then + ROOM),
                "{memory:?}, then {now:?}"
            );
        })
        .await;
        let read = stack.run(run).await.unwrap();
        assert_eq!(read.extracted_at, None, "the queues were to hold less than there is: {:?}", read.counts);
        go_on(stack);
        stack.all_crossed_once(run).await;
    })
    .await;
}

type Pending<'a> = std::pin::Pin<Box<dyn Future<Output = ()> + 'a>>;

/// How many messages wait in the queues on the way.
async fn lengths(namespace: &Namespace) -> [u32; 2] {
    let [transform, load] =
        ["transform.customers.backfill", "load.customers.backfill"].map(|queue| namespace.length(queue));
    let (transform, load) = tokio::join!(transform, load);
    [transform.unwrap(), load.unwrap()]
}

/// The memory of those who run on.
fn memory(stack: &Stack) -> [u64; 2] {
    [stack.extractor.memory(), stack.transformer.memory()]
}
