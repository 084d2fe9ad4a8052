//! Credentials: the part of a request by which a system lets it in.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use pomost_project::{auth::SessionTokenPlace, masking};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// The shortest secret that is hidden in texts, in characters: a shorter one would be found
/// everywhere.
const MIN_HIDDEN_CHARS: usize = 4;

/// The credential of a request.
#[derive(Clone)]
pub(crate) struct Credential {
    /// The generation of the tokens that it is made of, where they are renewed. A refused
    /// generation is not used again.
    pub(crate) generation: Option<i64>,
    placement: CredentialPlacement,
    secrets: Vec<SecretString>,
}

impl fmt::Debug for Credential {
    /// Prints nothing that is secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// The place of a credential in a request.
#[derive(Clone)]
enum CredentialPlacement {
    Nothing,
    Header(HeaderName, HeaderValue),
    Cookie(HeaderValue),
    Query(String, SecretString),
}

/// A secret with characters that its place cannot hold.
#[derive(Debug, thiserror::Error)]
#[error("a credential has characters that a header cannot carry (a line break at its end?)")]
pub(super) struct CredentialError;

impl Credential {
    /// Makes the credential for systems that ask for none.
    pub(super) fn nothing() -> Credential {
        Credential {
            generation: None,
            placement: CredentialPlacement::Nothing,
            secrets: Vec::new(),
        }
    }

    /// Makes a header; `secrets` are the parts of it that are secret.
    pub(super) fn header(
        name: HeaderName,
        value: &str,
        secrets: impl IntoIterator<Item = SecretString>,
    ) -> Result<Credential, CredentialError> {
        let placement = CredentialPlacement::Header(name, sensitive(value)?);
        Ok(Credential {
            generation: None,
            placement,
            secrets: secrets.into_iter().collect(),
        })
    }

    /// Makes a cookie.
    pub(super) fn cookie(name: &str, value: &SecretString) -> Result<Credential, CredentialError> {
        let placement =
            CredentialPlacement::Cookie(sensitive(&format!("{name}={}", value.expose_secret()))?);
        Ok(Credential {
            generation: None,
            placement,
            secrets: vec![value.clone()],
        })
    }

    /// Makes a query parameter.
    pub(super) fn query(name: &str, value: &SecretString) -> Credential {
        let placement = CredentialPlacement::Query(name.to_owned(), value.clone());
        Credential {
            generation: None,
            placement,
            secrets: vec![value.clone()],
        }
    }

    /// Makes the credential of a token, in the place where the system expects it.
    pub(super) fn token(
        place: &SessionTokenPlace,
        token: &SecretString,
        generation: i64,
    ) -> Result<Credential, CredentialError> {
        let credential = match place {
            SessionTokenPlace::Cookie(name) => Credential::cookie(name, token),
            SessionTokenPlace::Header {
                name,
                before,
                after,
            } => {
                let value = format!("{before}{}{after}", token.expose_secret());
                Credential::header(name.clone(), &value, [token.clone()])
            }
        };
        Ok(Credential {
            generation: Some(generation),
            ..credential?
        })
    }

    /// Adds the credential to a request. It replaces a flow's header of the same name.
    pub(crate) fn add_to(&self, url: &mut Url, headers: &mut HeaderMap) {
        match &self.placement {
            CredentialPlacement::Nothing => {}
            CredentialPlacement::Header(name, value) => {
                headers.insert(name.clone(), value.clone());
            }
            CredentialPlacement::Cookie(cookie) => {
                let value = headers
                    .get(header::COOKIE)
                    .and_then(|others| joined(others, cookie));
                headers.insert(header::COOKIE, value.unwrap_or_else(|| cookie.clone()));
            }
            CredentialPlacement::Query(name, value) => {
                url.query_pairs_mut()
                    .append_pair(name, value.expose_secret());
            }
        }
    }

    /// Returns a text without the credential's secrets.
    pub(crate) fn hide(&self, text: &str) -> String {
        hide(&self.secrets, text)
    }
}

/// Returns a text without secrets.
pub(super) fn hide<'s>(secrets: impl IntoIterator<Item = &'s SecretString>, text: &str) -> String {
    let secrets = secrets.into_iter().map(ExposeSecret::expose_secret);
    masking::mask_values(
        secrets.filter(|secret| secret.chars().count() >= MIN_HIDDEN_CHARS),
        text,
    )
}

/// Joins cookies, which stand in one header (RFC 6265 §5.4).
fn joined(others: &HeaderValue, cookie: &HeaderValue) -> Option<HeaderValue> {
    let mut value =
        HeaderValue::from_bytes(&[others.as_bytes(), b"; ", cookie.as_bytes()].concat()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn sensitive(text: &str) -> Result<HeaderValue, CredentialError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| CredentialError)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_the_longest_first_and_short_ones_not_at_all() {
        let secrets = ["abcd", "abcdef", "x"].map(SecretString::from);
        assert_eq!(hide(&secrets, "x abcdef abcd ab"), "x *** *** ab");
    }

    #[test]
    fn a_key_in_the_query_is_hidden_as_it_is_and_as_it_was_sent() {
        let credential = Credential::query("key", &"a b&ż".into());
        let mut url: Url = "https://example.com/x?a=1".parse().unwrap();
        credential.add_to(&mut url, &mut HeaderMap::new());
        assert_eq!(url.query(), Some("a=1&key=a+b%26%C5%BC"));
        assert_eq!(credential.hide("a b&ż, a+b%26%C5%BC"), "***, ***");
    }

    #[test]
    fn a_cookie_stands_beside_those_of_the_flow() {
        let mut headers =
            HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static("lang=pl"))]);
        let mut url: Url = "https://example.com".parse().unwrap();
        Credential::cookie("key", &"secret".into())
            .unwrap()
            .add_to(&mut url, &mut headers);
        assert_eq!(
            headers.get_all(header::COOKIE).iter().collect::<Vec<_>>(),
            ["lang=pl; key=secret"]
        );
        assert!(!format!("{headers:?}").contains("secret"));
    }
}
