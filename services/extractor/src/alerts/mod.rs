//! Telling people, once, what they have to know, and once more when it is over.
//!
//! What they have to know are [`conditions`]: they are worked out from the store every few seconds, by one
//! process for all, and compared with the alerts that stand there. A difference is posted, and then
//! recorded: whoever dies in between says it twice, and what lasts is always said. What begins and ends between two
//! looks is not.

mod conditions;

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use pomost_http::AlertHook;
use pomost_runtime::ServiceContext;
use pomost_store::{LeaseName, Result};
use tokio::time::{Instant, sleep};
use tracing::warn;

use conditions::Conditions;

/// How often the store is looked at.
const TURN: Duration = Duration::from_secs(2);

/// The right to tell people: it outlives a process that has it by so long.
const LEASE_FOR: Duration = Duration::from_secs(30);

/// The pauses after something was not told, or could not be looked up.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Tells people what they have to know, as the project says, until shutdown. A hook that does not take it
/// is tried again, and holds up nothing else.
pub async fn tell(context: ServiceContext, hook: AlertHook) {
    let Some(alerts) = &context.project.alerts else {
        return;
    };
    let conditions = Conditions::new(&context, alerts);
    let teller = Teller {
        context: &context,
        hook,
        conditions,
        refused: BTreeMap::new(),
    };
    context.shutdown.run_until_cancelled(teller.tell()).await;
}

/// Who tells people.
struct Teller<'a> {
    context: &'a ServiceContext,
    hook: AlertHook,
    conditions: Conditions<'a>,
    /// What the hook did not take is left alone for a while, by subject; the others are told meanwhile.
    refused: BTreeMap<String, Refused>,
}

/// Something that the hook did not take.
struct Refused {
    pauses: ExponentialBackoff,
    until: Instant,
}

/// What people do not know yet of a subject.
enum News<'a> {
    Begun(&'a str),
    Over(&'a str),
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
            sleep(pause).await;
        }
    }

    /// One look, if no other process does it.
    async fn turn(&mut self) -> Result<()> {
        let store = self.context.store();
        let Some(lease) = store
            .acquire_lease(LeaseName::Alerts, self.context.holder(), LEASE_FOR)
            .await?
        else {
            return Ok(());
        };
        let standing = store
            .alerts()
            .await?
            .into_iter()
            .map(|alert| (alert.subject, alert.text));
        let standing: BTreeMap<String, String> = standing.collect();
        let now = self.conditions.now(&standing).await?;
        let news = news(&now, &standing);
        self.refused
            .retain(|subject, _| news.contains_key(subject.as_str()));
        for (subject, news) in news {
            store.renew_lease(&lease, LEASE_FOR).await?;
            self.say(subject, news).await?;
        }
        Ok(())
    }

    async fn say(&mut self, subject: &str, news: News<'_>) -> Result<()> {
        if self
            .refused
            .get(subject)
            .is_some_and(|refused| refused.until > Instant::now())
        {
            return Ok(());
        }
        if let Err(error) = self.hook.say(&news.text()).await {
            warn!(%error, subject, "people are not told what they have to know; trying again");
            self.refuse(subject);
            return Ok(());
        }
        self.refused.remove(subject);
        match news {
            News::Begun(text) => self.context.store().raise_alert(subject, text).await,
            News::Over(_) => self.context.store().clear_alert(subject).await,
        }
    }

    fn refuse(&mut self, subject: &str) {
        let now = Instant::now();
        let first = || Refused {
            pauses: pauses(),
            until: now,
        };
        let refused = self.refused.entry(subject.to_owned()).or_insert_with(first);
        refused.until = now + refused.pauses.next().unwrap_or(LONGEST_PAUSE);
    }
}

impl News<'_> {
    fn text(&self) -> String {
        match self {
            News::Begun(text) => (*text).to_owned(),
            News::Over(text) => format!("Over: {text}"),
        }
    }
}

/// What people have to know and was not told, and what was told and is over, by subject.
fn news<'a>(
    now: &'a BTreeMap<String, String>,
    standing: &'a BTreeMap<String, String>,
) -> BTreeMap<&'a str, News<'a>> {
    let begun = now
        .iter()
        .filter(|(subject, _)| !standing.contains_key(*subject));
    let over = standing
        .iter()
        .filter(|(subject, _)| !now.contains_key(*subject));
    let begun = begun.map(|(subject, text)| (subject.as_str(), News::Begun(text)));
    begun
        .chain(over.map(|(subject, text)| (subject.as_str(), News::Over(text))))
        .collect()
}

fn pauses() -> ExponentialBackoff {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE);
    pauses.without_max_times().with_jitter().build()
}
