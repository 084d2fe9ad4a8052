//! What a process knows of a system's tokens.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::error;

use super::{denied::Denied, tokens::Tokens};
use crate::{Class, Failure};

/// The longest time that a failure is answered from memory.
const LONGEST: Duration = Duration::from_secs(30);

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
    until: Instant,
}

impl Trouble {
    /// The failure once more. That what gives tokens did not answer before says nothing of now; that it
    /// refuses us does.
    fn again(&self) -> Failure {
        let unasked = self.failure.unasked || self.failure.class != Class::Unauthorised;
        Failure { unasked, ..self.failure.clone() }
    }
}

impl Held {
    /// The answer to who wants tokens of a later generation than was refused; nothing where it is time
    /// to look for better ones. After a failure that is not at once, and tokens are used until they
    /// are over.
    pub(crate) fn known(&self, refused: Option<i64>, now: Timestamp) -> Option<Result<Granted, Failure>> {
        let granted = self.granted.as_ref().filter(|granted| Some(granted.generation) > refused);
        let trouble = self.trouble.as_ref().filter(|trouble| Instant::now() < trouble.until);
        match (granted, trouble) {
            (Some(granted), _) if !granted.tokens.are_due(now) => Some(Ok(granted.clone())),
            (Some(granted), Some(_)) if !granted.tokens.are_over(now) => Some(Ok(granted.clone())),
            (_, Some(trouble)) => Some(Err(trouble.again())),
            _ => None,
        }
    }

    /// Keeps what the store has; other tokens than before are a new beginning.
    pub(crate) fn keep(&mut self, granted: Granted) {
        if self.granted.as_ref().is_none_or(|held| held.generation != granted.generation) {
            self.granted = Some(granted);
            self.trouble = None;
        }
    }

    /// Notes why there are no better tokens, and says so once where somebody has to do something.
    pub(crate) fn note(&mut self, denied: Denied) {
        let before = self.trouble.take();
        let Denied { failure, is_final } = denied;
        if is_final && !before.as_ref().is_some_and(|before| before.is_final) {
            error!("{failure}");
        }
        let times = before.map_or(0, |before| before.times.saturating_add(1));
        let growing = Duration::from_secs(2_u64.saturating_pow(times.min(10)));
        let wait = failure.retry_after.filter(|_| !is_final).unwrap_or(growing).min(LONGEST);
        self.trouble = Some(Trouble { failure, is_final, times, until: Instant::now() + wait });
    }
}
