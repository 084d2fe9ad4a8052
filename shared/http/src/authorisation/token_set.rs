//! Tokens, and the time of their renewal.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

/// The time before its end from which a token is renewed; of a short-lived one a tenth of its life.
const RENEWAL_MARGIN: Duration = Duration::from_secs(60);

/// The number of renewals in a row that may be in vain before the next ones wait.
const FREE_RENEWALS: u32 = 3;

/// The longest wait between renewals in vain.
const MAX_WAIT_IN_VAIN: Duration = Duration::from_secs(600);

/// A token as an authorisation server or a login gave it.
pub(super) struct ObtainedToken {
    pub(super) token: SecretString,
    /// The refresh token for the next renewal, where there is a new one.
    pub(super) refresh_token: Option<SecretString>,
    /// The time until the token expires, where that is said.
    pub(super) lifetime: Option<Duration>,
}

/// Tokens as they are kept in the store. They do not print themselves.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct TokenSet {
    #[serde(serialize_with = "exposed")]
    pub(super) token: SecretString,
    #[serde(serialize_with = "exposed_option", default)]
    pub(super) refresh_token: Option<SecretString>,
    obtained_at: Timestamp,
    expires_at: Option<Timestamp>,
    /// The number of renewals in a row because of tokens that were refused and had never worked.
    #[serde(default)]
    pub(super) in_vain: u32,
}

impl TokenSet {
    /// Makes the tokens to be kept. Where there is no new refresh token, the old one stays good
    /// (RFC 6749 §6).
    pub(super) fn new(
        obtained: ObtainedToken,
        refresh_token: Option<SecretString>,
        in_vain: u32,
        now: Timestamp,
    ) -> TokenSet {
        // A token is not renewed at each request: one that is said not to last is used until it is
        // refused.
        let lifetime = obtained.lifetime.filter(|lifetime| !lifetime.is_zero());
        TokenSet {
            token: obtained.token,
            refresh_token: obtained.refresh_token.or(refresh_token),
            obtained_at: now,
            expires_at: lifetime.and_then(|lifetime| now.checked_add(lifetime).ok()),
            in_vain,
        }
    }

    /// Returns true if it is time to renew the tokens.
    pub(super) fn are_due(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| {
            let life = end.duration_since(self.obtained_at).unsigned_abs();
            now.duration_since(end).as_secs_f64() + RENEWAL_MARGIN.min(life / 10).as_secs_f64()
                >= 0.0
        })
    }

    /// Returns true if the tokens have expired.
    pub(super) fn have_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }

    /// Returns the time that a renewal has to wait after so many in vain: a system that refuses
    /// every token is not to make us ask for new ones without end.
    pub(super) fn wait(&self, in_vain: u32, now: Timestamp) -> Option<Duration> {
        let doublings = in_vain.checked_sub(FREE_RENEWALS + 1)?;
        let wait =
            MAX_WAIT_IN_VAIN.min(Duration::from_secs(1) * 2_u32.saturating_pow(doublings + 1));
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

    fn tokens(lifetime: Option<u64>, refresh_token: Option<&str>) -> TokenSet {
        let obtained = ObtainedToken {
            token: "token".into(),
            refresh_token: refresh_token.map(SecretString::from),
            lifetime: lifetime.map(Duration::from_secs),
        };
        TokenSet::new(obtained, Some("old".into()), 0, Timestamp::now())
    }

    fn after(tokens: &TokenSet, seconds: f64) -> Timestamp {
        tokens.obtained_at + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn tokens_are_renewed_a_margin_before_their_end() {
        let hour = tokens(Some(3600), None);
        assert!(!hour.are_due(after(&hour, 3539.0)) && hour.are_due(after(&hour, 3540.0)));
        assert!(
            !hour.have_expired(after(&hour, 3599.0)) && hour.have_expired(after(&hour, 3600.0))
        );
        let short = tokens(Some(10), None);
        assert!(!short.are_due(after(&short, 8.9)) && short.are_due(after(&short, 9.0)));
    }

    #[test]
    fn tokens_without_an_end_are_used_until_they_are_refused() {
        for lifetime in [None, Some(0), Some(u64::MAX)] {
            let tokens = tokens(lifetime, None);
            assert!(
                !tokens.are_due(after(&tokens, 1e8)) && !tokens.have_expired(after(&tokens, 1e8))
            );
        }
    }

    #[test]
    fn the_old_refresh_token_stays_where_there_is_no_new_one() {
        let kept = |tokens: TokenSet| tokens.refresh_token.unwrap().expose_secret().to_owned();
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
