//! Tokens, and when they are to be renewed.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

/// How long before its end a token is renewed at the earliest; a short-lived one a tenth of its life.
const MARGIN: Duration = Duration::from_secs(60);

/// How many renewals in a row may be for nothing before the next ones wait.
const FREE_RENEWALS: u32 = 3;

/// The longest wait between renewals for nothing.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// What an authorisation server or a login gave.
pub(crate) struct Obtained {
    /// The token that requests carry.
    pub(crate) token: SecretString,
    /// What the next renewal is made with, where that is new.
    pub(crate) refresh_token: Option<SecretString>,
    /// How long the token holds, where that is said.
    pub(crate) lifetime: Option<Duration>,
}

/// Tokens as they are kept in the store. They do not print themselves.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Tokens {
    #[serde(serialize_with = "exposed")]
    pub(crate) token: SecretString,
    #[serde(serialize_with = "exposed_option", default)]
    pub(crate) refresh_token: Option<SecretString>,
    obtained_at: Timestamp,
    expires_at: Option<Timestamp>,
    /// How many renewals in a row there were because a token was refused that had never worked.
    #[serde(default)]
    pub(crate) in_vain: u32,
}

impl Tokens {
    /// What is kept of what was given. Where there is no new refresh token, the old one stays good
    /// (RFC 6749 §6).
    pub(crate) fn new(
        obtained: Obtained,
        refresh_token: Option<SecretString>,
        in_vain: u32,
    ) -> Tokens {
        let now = Timestamp::now();
        // Nothing renews a token at each request: one that is said not to last is used until it is refused.
        let lifetime = obtained.lifetime.filter(|lifetime| !lifetime.is_zero());
        Tokens {
            token: obtained.token,
            refresh_token: obtained.refresh_token.or(refresh_token),
            obtained_at: now,
            expires_at: lifetime.and_then(|lifetime| now.checked_add(lifetime).ok()),
            in_vain,
        }
    }

    /// Whether it is time to renew them.
    pub(crate) fn are_due(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| {
            let life = end.duration_since(self.obtained_at).unsigned_abs();
            now.duration_since(end).as_secs_f64() + MARGIN.min(life / 10).as_secs_f64() >= 0.0
        })
    }

    /// Whether they hold no longer.
    pub(crate) fn are_over(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// How long a renewal has to wait after so many in vain: a system that refuses every token is not
    /// to make us ask for new ones without end.
    pub(crate) fn wait(&self, in_vain: u32, now: Timestamp) -> Option<Duration> {
        let doublings = in_vain.checked_sub(FREE_RENEWALS + 1)?;
        let wait = LONGEST_WAIT.min(Duration::from_secs(1) * 2_u32.saturating_pow(doublings + 1));
        let age = Duration::try_from(now.duration_since(self.obtained_at)).unwrap_or_default();
        wait.checked_sub(age).filter(|left| !left.is_zero())
    }
}

fn exposed<S: Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

fn exposed_option<S: Serializer>(
    secret: &Option<SecretString>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    secret
        .as_ref()
        .map(ExposeSecret::expose_secret)
        .serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(lifetime: Option<u64>, refresh_token: Option<&str>) -> Tokens {
        let obtained = Obtained {
            token: "token".into(),
            refresh_token: refresh_token.map(SecretString::from),
            lifetime: lifetime.map(Duration::from_secs),
        };
        Tokens::new(obtained, Some("old".into()), 0)
    }

    fn after(tokens: &Tokens, seconds: f64) -> Timestamp {
        tokens.obtained_at + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn tokens_are_renewed_a_margin_before_their_end() {
        let hour = tokens(Some(3600), None);
        assert!(!hour.are_due(after(&hour, 3539.0)) && hour.are_due(after(&hour, 3540.0)));
        assert!(!hour.are_over(after(&hour, 3599.0)) && hour.are_over(after(&hour, 3600.0)));
        let short = tokens(Some(10), None);
        assert!(!short.are_due(after(&short, 8.9)) && short.are_due(after(&short, 9.0)));
    }

    #[test]
    fn tokens_without_an_end_are_used_until_they_are_refused() {
        for lifetime in [None, Some(0), Some(u64::MAX)] {
            let tokens = tokens(lifetime, None);
            assert!(!tokens.are_due(after(&tokens, 1e8)) && !tokens.are_over(after(&tokens, 1e8)));
        }
    }

    #[test]
    fn the_old_refresh_token_stays_where_there_is_no_new_one() {
        let kept = |tokens: Tokens| tokens.refresh_token.unwrap().expose_secret().to_owned();
        assert_eq!(kept(tokens(None, None)), "old");
        assert_eq!(kept(tokens(None, Some("new"))), "new");
    }

    #[test]
    fn renewals_in_vain_wait_longer_and_longer() {
        let tokens = tokens(None, None);
        let wait = |in_vain| {
            tokens
                .wait(in_vain, after(&tokens, 0.0))
                .map(|wait| wait.as_secs())
        };
        assert_eq!(
            [0, 3, 4, 5, 6].map(wait),
            [None, None, Some(2), Some(4), Some(8)]
        );
        assert_eq!([40, u32::MAX].map(wait), [Some(600), Some(600)]);
        assert_eq!(tokens.wait(4, after(&tokens, 2.0)), None);
    }
}
