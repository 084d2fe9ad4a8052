//! How requests prove who sends them.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use pomost_project::system::Auth;
use secrecy::ExposeSecret;
use url::{Url, form_urlencoded::byte_serialize};

use crate::{Class, Failure};

/// The headers that every request carries, marked so that they are not printed.
pub(crate) fn headers(auth: &Auth) -> Result<HeaderMap, Failure> {
    let one = |name: HeaderName, value: String| Ok(HeaderMap::from_iter([(name, secret(&value)?)]));
    match auth {
        Auth::Bearer { token } => one(header::AUTHORIZATION, format!("Bearer {}", token.expose_secret())),
        Auth::Basic { username, password } => {
            let pair = format!("{username}:{}", password.expose_secret());
            one(header::AUTHORIZATION, format!("Basic {}", BASE64_STANDARD.encode(pair)))
        }
        Auth::Header { name, value } => one(name.clone(), value.expose_secret().to_owned()),
        Auth::Query { .. } | Auth::None => Ok(HeaderMap::new()),
    }
}

/// Adds a key that travels in the query.
pub(crate) fn add_to_query(auth: &Auth, url: &mut Url) {
    if let Auth::Query { name, value } = auth {
        url.query_pairs_mut().append_pair(name, value.expose_secret());
    }
}

/// What must not be shown of what [`headers`] and [`add_to_query`] send. A system that refuses a request
/// may repeat it in its answer.
pub(crate) fn secrets(auth: &Auth) -> Vec<String> {
    match auth {
        Auth::Bearer { token: secret } | Auth::Header { value: secret, .. } => {
            vec![secret.expose_secret().to_owned()]
        }
        Auth::Basic { username, password } => {
            let pair = format!("{username}:{}", password.expose_secret());
            vec![BASE64_STANDARD.encode(pair), password.expose_secret().to_owned()]
        }
        Auth::Query { value, .. } => {
            let encoded = byte_serialize(value.expose_secret().as_bytes()).collect();
            vec![encoded, value.expose_secret().to_owned()]
        }
        Auth::None => Vec::new(),
    }
}

fn secret(text: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        let message = "a credential has characters that a header cannot carry (a line break at its end?)";
        Failure::new(Class::Unauthorised, message.to_owned())
    })?;
    value.set_sensitive(true);
    Ok(value)
}
