//! Telling people, once, what they have to know, and once more when it is over.
//!
//! What they have to know are [`conditions`]: they are worked out from the store every few seconds, by one
//! process for all, and compared with the alerts that stand there. A difference is posted, and then
//! recorded: whoever dies in between says it twice, nobody says it never.

mod conditions;

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use pomost_http::{Failure, Hook};
use pomost_runtime::Context;
use tracing::warn;

use conditions::Conditions;

/// How often the store is looked at.
const TURN: Duration = Duration::from_secs(2);

/// The right to tell people: it outlives a process that has it by so long. No flow is named like it.
const LEASE: &str = "alerts:";
const LEASE_FOR: Duration = Duration::from_secs(30);

/// The pauses after something was not told.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Why people were not told.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Store(#[from] pomost_store::Error),
    #[error(transparent)]
    Hook(#[from] Failure),
}

/// Tells people what they have to know, as the project says, until shutdown. A hook that does not take it
/// is tried again, and holds up nothing else.
pub async fn tell(context: Context, hook: Hook) {
    let Some(alerts) = &context.project.alerts else { return };
    let teller = Teller { context: &context, hook, conditions: Conditions::new(&context, alerts) };
    context.shutdown.run_until_cancelled(teller.tell()).await;
}

/// Who tells people.
struct Teller<'a> {
    context: &'a Context,
    hook: Hook,
    conditions: Conditions<'a>,
}

impl Teller<'_> {
    async fn tell(mut self) -> Infallible {
        let mut pauses = pauses();
        loop {
            let pause = match self.turn().await {
                Ok(()) => {
                    pauses = self::pauses();
                    TURN
                }
                Err(error) => {
                    warn!(%error, "people are not told what they have to know; trying again");
                    pauses.next().unwrap_or(LONGEST_PAUSE)
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// One look, if no other process does it.
    async fn turn(&mut self) -> Result<(), Error> {
        let store = self.context.store();
        let Some(lease) = store.acquire_lease(LEASE, self.context.holder(), LEASE_FOR).await? else {
            return Ok(());
        };
        let standing = store.alerts().await?.into_iter().map(|alert| (alert.subject, alert.text));
        let standing: BTreeMap<String, String> = standing.collect();
        let now = self.conditions.now().await?;
        for (subject, text) in now.iter().filter(|(subject, _)| !standing.contains_key(*subject)) {
            store.renew_lease(&lease, LEASE_FOR).await?;
            self.hook.say(text).await?;
            store.raise_alert(subject, text).await?;
        }
        for (subject, text) in standing.iter().filter(|(subject, _)| !now.contains_key(*subject)) {
            store.renew_lease(&lease, LEASE_FOR).await?;
            self.hook.say(&format!("Over: {text}")).await?;
            store.clear_alert(subject).await?;
        }
        Ok(())
    }
}

fn pauses() -> ExponentialBackoff {
    let pauses = ExponentialBuilder::default().with_min_delay(FIRST_PAUSE).with_max_delay(LONGEST_PAUSE);
    pauses.without_max_times().with_jitter().build()
}
