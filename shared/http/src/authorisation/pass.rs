//! What a request carries so that it is let in.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use pomost_project::{auth::SessionTokenPlace, masking};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// A secret of fewer characters is not hunted in texts: it would be found everywhere.
const SHORTEST_HIDDEN: usize = 4;

/// What a request carries so that it is let in.
#[derive(Clone)]
pub(crate) struct Pass {
    /// Which of the tokens it is made of, where they are renewed; refused, it is not offered again.
    pub(crate) generation: Option<i64>,
    carried: Carried,
    secrets: Vec<SecretString>,
}

impl fmt::Debug for Pass {
    /// Without what it carries.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
enum Carried {
    Nothing,
    Header(HeaderName, HeaderValue),
    Cookie(HeaderValue),
    Query(String, SecretString),
}

/// A secret has characters that its place cannot carry.
#[derive(Debug, thiserror::Error)]
#[error("a credential has characters that a header cannot carry (a line break at its end?)")]
pub(crate) struct NotCarried;

impl Pass {
    /// For systems that ask for nothing.
    pub(crate) fn nothing() -> Pass {
        Pass {
            generation: None,
            carried: Carried::Nothing,
            secrets: Vec::new(),
        }
    }

    /// A header; `secrets` are what is secret in it.
    pub(crate) fn header(
        name: HeaderName,
        value: &str,
        secrets: impl IntoIterator<Item = SecretString>,
    ) -> Result<Pass, NotCarried> {
        let carried = Carried::Header(name, sensitive(value)?);
        Ok(Pass {
            generation: None,
            carried,
            secrets: secrets.into_iter().collect(),
        })
    }

    /// A cookie.
    pub(crate) fn cookie(name: &str, value: &SecretString) -> Result<Pass, NotCarried> {
        let carried = Carried::Cookie(sensitive(&format!("{name}={}", value.expose_secret()))?);
        Ok(Pass {
            generation: None,
            carried,
            secrets: vec![value.clone()],
        })
    }

    /// A query parameter.
    pub(crate) fn query(name: &str, value: &SecretString) -> Pass {
        let carried = Carried::Query(name.to_owned(), value.clone());
        Pass {
            generation: None,
            carried,
            secrets: vec![value.clone()],
        }
    }

    /// A token where the system expects it.
    pub(crate) fn token(
        place: &SessionTokenPlace,
        token: &SecretString,
        generation: i64,
    ) -> Result<Pass, NotCarried> {
        let pass = match place {
            SessionTokenPlace::Cookie(name) => Pass::cookie(name, token),
            SessionTokenPlace::Header {
                name,
                before,
                after,
            } => {
                let value = format!("{before}{}{after}", token.expose_secret());
                Pass::header(name.clone(), &value, [token.clone()])
            }
        };
        Ok(Pass {
            generation: Some(generation),
            ..pass?
        })
    }

    /// Puts it into a request. What a flow says for the same header does not stand against it.
    pub(crate) fn put_into(&self, url: &mut Url, headers: &mut HeaderMap) {
        match &self.carried {
            Carried::Nothing => {}
            Carried::Header(name, value) => {
                headers.insert(name.clone(), value.clone());
            }
            Carried::Cookie(cookie) => {
                let value = headers
                    .get(header::COOKIE)
                    .and_then(|others| beside(others, cookie));
                headers.insert(header::COOKIE, value.unwrap_or_else(|| cookie.clone()));
            }
            Carried::Query(name, value) => {
                url.query_pairs_mut()
                    .append_pair(name, value.expose_secret());
            }
        }
    }

    /// A text without its secrets.
    pub(crate) fn hide(&self, text: &str) -> String {
        hide(&self.secrets, text)
    }
}

/// A text without secrets.
pub(crate) fn hide<'s>(secrets: impl IntoIterator<Item = &'s SecretString>, text: &str) -> String {
    let secrets = secrets.into_iter().map(ExposeSecret::expose_secret);
    masking::mask_values(
        secrets.filter(|secret| secret.chars().count() >= SHORTEST_HIDDEN),
        text,
    )
}

/// Cookies stand in one header (RFC 6265 §5.4).
fn beside(others: &HeaderValue, cookie: &HeaderValue) -> Option<HeaderValue> {
    let mut value =
        HeaderValue::from_bytes(&[others.as_bytes(), b"; ", cookie.as_bytes()].concat()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn sensitive(text: &str) -> Result<HeaderValue, NotCarried> {
    let mut value = HeaderValue::from_str(text).map_err(|_| NotCarried)?;
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
        let pass = Pass::query("key", &"a b&ż".into());
        let mut url: Url = "https://example.com/x?a=1".parse().unwrap();
        pass.put_into(&mut url, &mut HeaderMap::new());
        assert_eq!(url.query(), Some("a=1&key=a+b%26%C5%BC"));
        assert_eq!(pass.hide("a b&ż, a+b%26%C5%BC"), "***, ***");
    }

    #[test]
    fn a_cookie_stands_beside_those_of_the_flow() {
        let mut headers =
            HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_static("lang=pl"))]);
        let mut url: Url = "https://example.com".parse().unwrap();
        Pass::cookie("key", &"secret".into())
            .unwrap()
            .put_into(&mut url, &mut headers);
        assert_eq!(
            headers.get_all(header::COOKIE).iter().collect::<Vec<_>>(),
            ["lang=pl; key=secret"]
        );
        assert!(!format!("{headers:?}").contains("secret"));
    }
}
