//! Compiling `systems/*.yaml`.

use http::HeaderValue;
use pomost_models::system::{ApiKeySection, AuthSection, SecretReference, SystemFile};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::Compile;
use crate::{System, environment::Environment, system::Auth};

pub(crate) fn compile(
    compile: &mut Compile<'_>,
    file: &SystemFile,
    name: &str,
    environment: &Environment,
) -> Option<System> {
    compile.check_name("/system", &file.system.0, name);
    compile.check_not_zero("/timeout", Some(file.timeout.0));
    let base_url = base_url(compile, file, environment);
    let auth = match &file.auth {
        Some(section) => auth(compile, section, environment),
        None => Some(Auth::None),
    };
    let answers = compile.answers("/answers", &file.answers);
    Some(System {
        name: name.to_owned(),
        base_url: base_url?,
        auth: auth?,
        timeout: file.timeout.0,
        concurrency: file.concurrency as usize,
        answers: answers?,
    })
}

fn base_url(compile: &mut Compile<'_>, file: &SystemFile, environment: &Environment) -> Option<Url> {
    let text = resolve(compile, "/base_url", &file.base_url, environment)?;
    let mut url = match Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => url,
        _ => {
            compile.refuse("/base_url", "expected a URL that begins with https:// or http://");
            return None;
        }
    };
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        compile.refuse(
            "/base_url",
            "expected a URL without user, password, query and fragment; credentials go to 'auth'",
        );
        return None;
    }
    if url.scheme() == "http" && !file.allow_http && !is_this_machine(&url) {
        compile.refuse_with_help(
            "/base_url",
            "plain http to another machine: credentials and data would cross the network readable",
            "use https, or say allow_http: true if you mean it",
        );
        return None;
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Some(url)
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(domain)) => domain == "localhost" || domain.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn auth(compile: &mut Compile<'_>, section: &AuthSection, environment: &Environment) -> Option<Auth> {
    match section {
        AuthSection::Bearer { token } => {
            Some(Auth::Bearer { token: header_secret(compile, "/auth/bearer/token", token, environment)? })
        }
        AuthSection::Basic { username, password } => {
            let username = resolve(compile, "/auth/basic/username", username, environment);
            let password = secret(compile, "/auth/basic/password", password, environment);
            Some(Auth::Basic { username: username?, password: password? })
        }
        AuthSection::ApiKey(section) => api_key(compile, section, environment),
    }
}

fn api_key(compile: &mut Compile<'_>, section: &ApiKeySection, environment: &Environment) -> Option<Auth> {
    let place = "/auth/api_key/value";
    let value = match section.header {
        Some(_) => header_secret(compile, place, &section.value, environment),
        None => secret(compile, place, &section.value, environment),
    };
    match (&section.header, &section.query) {
        (Some(header), None) => match header.parse() {
            Ok(name) => Some(Auth::Header { name, value: value? }),
            Err(_) => {
                compile.refuse("/auth/api_key/header", "expected the name of a header, such as X-Api-Key");
                None
            }
        },
        (None, Some(query)) => Some(Auth::Query { name: query.clone(), value: value? }),
        _ => {
            compile.refuse("/auth/api_key", "expected either 'header' or 'query' beside 'value'");
            None
        }
    }
}

pub(super) fn secret(
    compile: &mut Compile<'_>,
    pointer: &str,
    reference: &SecretReference,
    environment: &Environment,
) -> Option<SecretString> {
    let secret = resolve(compile, pointer, &reference.0, environment)?;
    if secret.is_empty() {
        compile.refuse(pointer, format!("{} is empty", reference.0));
        return None;
    }
    Some(secret.into())
}

/// A secret that travels in a header as it is.
fn header_secret(
    compile: &mut Compile<'_>,
    pointer: &str,
    reference: &SecretReference,
    environment: &Environment,
) -> Option<SecretString> {
    let secret = secret(compile, pointer, reference, environment)?;
    if HeaderValue::from_str(secret.expose_secret()).is_err() {
        let message =
            format!("{} holds a line break or another character that no header carries", reference.0);
        compile.refuse(pointer, message);
        return None;
    }
    Some(secret)
}

pub(super) fn resolve(
    compile: &mut Compile<'_>,
    pointer: &str,
    text: &str,
    environment: &Environment,
) -> Option<String> {
    environment.resolve(text).map_err(|message| compile.refuse(pointer, message)).ok()
}
