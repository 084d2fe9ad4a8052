//! Publishing that waits for a broker that is away and for room in a queue.

use std::time::Duration;

use backon::Retryable;
use pomost_broker::{Broker, Error, Message, Route};
use tracing::warn;

use crate::backoff::growing_pauses;

/// The time for which a publish is tried again. With the work before it, this is well under the 10
/// minutes for which a delivery may be held unacknowledged.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(120);

/// The pauses between attempts grow from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Publishes messages, and tries again while the broker is away or the queue is full: this is how a
/// slow destination slows its source down. After an error the message that the caller works on has
/// to be handed back.
pub(crate) async fn publish(
    broker: &dyn Broker,
    route: &Route,
    messages: Vec<Message>,
) -> Result<(), Error> {
    let backoff = growing_pauses(FIRST_PAUSE, LONGEST_PAUSE)
        .with_total_delay(Some(PUBLISH_TIMEOUT))
        .with_jitter();
    (|| broker.publish(route, messages.clone()))
        .retry(backoff)
        .when(|error| matches!(error, Error::Full(_) | Error::Unavailable { .. }))
        .notify(|error, _| {
            // A full queue is nothing unusual: it is backpressure.
            if !matches!(error, Error::Full(_)) {
                warn!(%error, "publishing again shortly");
            }
        })
        .await
}
