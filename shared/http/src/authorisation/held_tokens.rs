//! The tokens of a system that a process holds.

use std::time::Duration;

use tokio::time::Instant;

use super::{token_denial::TokenDenial, token_set::TokenSet};
use crate::{Clock, Failure};

/// The longest time without another try to renew tokens that are still good.
const MAX_RENEWAL_DELAY: Duration = Duration::from_secs(30);

/// The time for which a failure is returned again where there are no good tokens: to all requests
/// that waited for it. It is shorter than the rest of a system that is down, so that each probe
/// asks anew.
const SHARED_FAILURE_LIFETIME: Duration = Duration::from_millis(500);

/// Tokens, and their place in the order of all that were granted.
#[derive(Clone)]
pub(super) struct GrantedTokens {
    pub(super) generation: i64,
    pub(super) tokens: TokenSet,
}

/// The tokens that were last read from the store, and the trouble with getting better ones.
pub(super) struct HeldTokens {
    granted: Option<GrantedTokens>,
    trouble: Option<RenewalTrouble>,
    clock: Clock,
}

/// A renewal that failed.
struct RenewalTrouble {
    failure: Failure,
    is_final: bool,
    /// The number of failed renewals before, in a row.
    repetitions: u32,
    since: Instant,
    /// The time until the next renewal, where the tokens are still good.
    delay: Duration,
}

impl HeldTokens {
    /// Holds no tokens.
    pub(super) fn new(clock: &Clock) -> HeldTokens {
        HeldTokens {
            granted: None,
            trouble: None,
            clock: clock.clone(),
        }
    }

    /// Returns tokens of a later generation than was refused, or the failure to get some; nothing
    /// where it is time to look for better ones. After a failure that is not at once, and tokens
    /// are used until they have expired.
    pub(super) fn known(&self, refused: Option<i64>) -> Option<Result<GrantedTokens, Failure>> {
        let now = self.clock.timestamp();
        let is_recent =
            |trouble: &RenewalTrouble, age| self.clock.now().duration_since(trouble.since) < age;
        let granted = self
            .granted
            .as_ref()
            .filter(|granted| Some(granted.generation) > refused);
        let granted = granted.filter(|granted| !granted.tokens.have_expired(now));
        match (granted, &self.trouble) {
            (Some(granted), _) if !granted.tokens.are_due(now) => Some(Ok(granted.clone())),
            (Some(granted), Some(trouble)) if is_recent(trouble, trouble.delay) => {
                Some(Ok(granted.clone()))
            }
            (None, Some(trouble)) if is_recent(trouble, SHARED_FAILURE_LIFETIME) => {
                Some(Err(trouble.failure.clone()))
            }
            _ => None,
        }
    }

    /// Holds the tokens that are in the store. Other tokens than before end the trouble.
    pub(super) fn hold(&mut self, granted: GrantedTokens) {
        if self
            .granted
            .as_ref()
            .is_none_or(|held| held.generation != granted.generation)
        {
            self.granted = Some(granted);
            self.trouble = None;
        }
    }

    /// Notes why there are no better tokens. Returns true if that is news.
    pub(super) fn note(&mut self, TokenDenial { failure, is_final }: TokenDenial) -> bool {
        let before = self.trouble.take();
        let is_news = before
            .as_ref()
            .is_none_or(|before| is_final && !before.is_final);
        let repetitions = before.map_or(0, |before| before.repetitions.saturating_add(1));
        let growing = Duration::from_secs(2_u64.saturating_pow(repetitions.min(10)));
        let delay = failure
            .retry_after
            .filter(|_| !is_final)
            .unwrap_or(growing)
            .min(MAX_RENEWAL_DELAY);
        self.trouble = Some(RenewalTrouble {
            failure,
            is_final,
            repetitions,
            since: self.clock.now(),
            delay,
        });
        is_news
    }
}
