//! What a process knows of a system's tokens.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{denied::Denied, tokens::Tokens};
use crate::Failure;

/// The longest time without another try to renew tokens that are still good.
const LONGEST: Duration = Duration::from_secs(30);

/// How long a failure is the answer where there are no tokens that are good: it is of all who waited for it. Less than
/// a system that is down is left alone for, so that each probe asks anew.
const ECHO: Duration = Duration::from_millis(500);

/// Tokens and their place in the order of all that were granted.
#[derive(Clone)]
pub(crate) struct Granted {
    pub(crate) generation: i64,
    pub(crate) tokens: Tokens,
}

/// What a process knows of a system's tokens: those of the last look into the store, and why there
/// are no better ones.
#[derive(Default)]
pub(crate) struct Held {
    granted: Option<Granted>,
    trouble: Option<Trouble>,
}

struct Trouble {
    failure: Failure,
    is_final: bool,
    times: u32,
    since: Instant,
    wait: Duration,
}

impl Trouble {
    fn is_younger_than(&self, age: Duration) -> bool {
        self.since.elapsed() < age
    }
}

impl Held {
    /// The answer to who wants tokens of a later generation than was refused; nothing where it is time
    /// to look for better ones. After a failure that is not at once, and tokens are used until they
    /// are over.
    pub(crate) fn known(
        &self,
        refused: Option<i64>,
        now: Timestamp,
    ) -> Option<Result<Granted, Failure>> {
        let granted = self
            .granted
            .as_ref()
            .filter(|granted| Some(granted.generation) > refused);
        let granted = granted.filter(|granted| !granted.tokens.are_over(now));
        match (granted, &self.trouble) {
            (Some(granted), _) if !granted.tokens.are_due(now) => Some(Ok(granted.clone())),
            (Some(granted), Some(trouble)) if trouble.is_younger_than(trouble.wait) => {
                Some(Ok(granted.clone()))
            }
            (None, Some(trouble)) if trouble.is_younger_than(ECHO) => {
                Some(Err(trouble.failure.clone()))
            }
            _ => None,
        }
    }

    /// Keeps what the store has; other tokens than before are a new beginning.
    pub(crate) fn keep(&mut self, granted: Granted) {
        if self
            .granted
            .as_ref()
            .is_none_or(|held| held.generation != granted.generation)
        {
            self.granted = Some(granted);
            self.trouble = None;
        }
    }

    /// Notes why there are no better tokens. Whether that is news.
    pub(crate) fn note(&mut self, Denied { failure, is_final }: Denied) -> bool {
        let before = self.trouble.take();
        let is_news = before
            .as_ref()
            .is_none_or(|before| is_final && !before.is_final);
        let times = before.map_or(0, |before| before.times.saturating_add(1));
        let growing = Duration::from_secs(2_u64.saturating_pow(times.min(10)));
        let wait = failure
            .retry_after
            .filter(|_| !is_final)
            .unwrap_or(growing)
            .min(LONGEST);
        self.trouble = Some(Trouble {
            failure,
            is_final,
            times,
            since: Instant::now(),
            wait,
        });
        is_news
    }
}
