//! Compiling a system's `auth`.

use std::{collections::BTreeMap, sync::Arc};

use http::{HeaderName, HeaderValue};
use pomost_models::{
    auth::{ApiKeySection, AuthSection, SessionSection},
    secret::SecretReference,
};
use secrecy::{ExposeSecret, SecretString};

use super::{FileCompiler, system::AuthContext};
use crate::{
    auth::{SessionLogin, SessionTokenPlace, SystemAuth},
    environment::Environment,
};

impl FileCompiler<'_> {
    /// Compiles a system's `auth`.
    pub(crate) fn auth(
        &mut self,
        section: Option<&AuthSection>,
        context: AuthContext,
        environment: &Environment,
    ) -> Option<SystemAuth> {
        match section {
            None => Some(SystemAuth::None),
            Some(AuthSection::Bearer { token }) => Some(SystemAuth::Bearer {
                token: self.header_secret("/auth/bearer/token", token, environment)?,
            }),
            Some(AuthSection::Basic { username, password }) => {
                let username = self.resolve("/auth/basic/username", username, environment);
                let password = self.secret("/auth/basic/password", password, environment);
                Some(SystemAuth::Basic {
                    username: username?,
                    password: password?,
                })
            }
            Some(AuthSection::ApiKey(section)) => self.api_key(section, environment),
            Some(AuthSection::OAuth2(section)) => self
                .oauth2(section, context, environment)
                .map(|oauth2| SystemAuth::OAuth2(Arc::new(oauth2))),
            Some(AuthSection::Session(section)) => self
                .session(section, environment)
                .map(|session| SystemAuth::Session(Arc::new(session))),
        }
    }

    fn api_key(
        &mut self,
        section: &ApiKeySection,
        environment: &Environment,
    ) -> Option<SystemAuth> {
        let pointer = "/auth/api_key/value";
        let value = match section.query {
            Some(_) => self.secret(pointer, &section.value, environment),
            None => self.header_secret(pointer, &section.value, environment),
        };
        match (&section.header, &section.query, &section.cookie) {
            (Some(header), None, None) => {
                let name = self.header_name("/auth/api_key/header", header);
                Some(SystemAuth::Header {
                    name: name?,
                    value: value?,
                })
            }
            (None, Some(query), None) => Some(SystemAuth::Query {
                name: query.clone(),
                value: value?,
            }),
            (None, None, Some(cookie)) => {
                let name = self.cookie_name("/auth/api_key/cookie", cookie);
                Some(SystemAuth::Cookie {
                    name: name?,
                    value: value?,
                })
            }
            _ => {
                let expected = "expected one of 'header', 'query' and 'cookie' beside 'value'";
                self.refuse("/auth/api_key", expected);
                None
            }
        }
    }

    fn session(
        &mut self,
        section: &SessionSection,
        environment: &Environment,
    ) -> Option<SessionLogin> {
        let request = self.request("/auth/session", &section.request);
        if request
            .as_ref()
            .is_some_and(|request| request.path.needs_input())
        {
            let message =
                "the URL of a login may be logged on its way, so nothing secret stands in it";
            self.refuse_with_help(
                "/auth/session/request",
                message,
                "use the credentials in 'body' or 'headers'",
            );
        }
        let credentials = self.credentials(&section.credentials, environment);
        let token = self.expression("/auth/session/token", &section.token);
        let expires = self.optional("/auth/session/expires", section.expires.as_ref());
        let place = self.token_place(section);
        Some(SessionLogin {
            request: request?,
            credentials: credentials?,
            token: token?,
            expires: expires?,
            place: place?,
        })
    }

    fn credentials(
        &mut self,
        references: &BTreeMap<String, SecretReference>,
        environment: &Environment,
    ) -> Option<BTreeMap<String, SecretString>> {
        let mut credentials = BTreeMap::new();
        for (name, reference) in references {
            let pointer = format!("/auth/session/credentials/{name}");
            credentials.insert(name.clone(), self.secret(&pointer, reference, environment));
        }
        credentials
            .into_iter()
            .map(|(name, secret)| Some((name, secret?)))
            .collect()
    }

    fn token_place(&mut self, section: &SessionSection) -> Option<SessionTokenPlace> {
        match (&section.header, &section.cookie) {
            (None, None) => Some(SessionTokenPlace::bearer()),
            (None, Some(cookie)) => self
                .cookie_name("/auth/session/cookie", cookie)
                .map(SessionTokenPlace::Cookie),
            (Some(header), None) => self.token_header(header),
            _ => {
                self.refuse(
                    "/auth/session",
                    "expected 'header' or 'cookie', not both: where the token travels",
                );
                None
            }
        }
    }

    fn token_header(&mut self, header: &str) -> Option<SessionTokenPlace> {
        let place = header.split_once(':').and_then(|(name, value)| {
            let (before, after) = value.trim().split_once("{}")?;
            let fits = |text: &str| HeaderValue::from_str(text).is_ok() && !text.contains("{}");
            let name: HeaderName = name.trim().parse().ok()?;
            let header = SessionTokenPlace::Header {
                name,
                before: before.to_owned(),
                after: after.to_owned(),
            };
            (fits(before) && fits(after)).then_some(header)
        });
        if place.is_none() {
            let expected =
                "expected a header with {} for the token, such as Authorization: Bearer {}";
            self.refuse("/auth/session/header", expected);
        }
        place
    }

    fn header_name(&mut self, pointer: &str, name: &str) -> Option<HeaderName> {
        let parsed = name.parse().ok();
        if parsed.is_none() {
            self.refuse(pointer, "expected the name of a header, such as X-Api-Key");
        }
        parsed
    }

    /// Names of cookies have the grammar of header names (RFC 6265 §4.1.1).
    fn cookie_name(&mut self, pointer: &str, name: &str) -> Option<String> {
        if name.parse::<HeaderName>().is_err() {
            self.refuse(pointer, "expected the name of a cookie, such as session");
            return None;
        }
        Some(name.to_owned())
    }

    /// Resolves a secret. It must not be empty.
    pub(crate) fn secret(
        &mut self,
        pointer: &str,
        reference: &SecretReference,
        environment: &Environment,
    ) -> Option<SecretString> {
        let secret = self.resolve(pointer, &reference.0, environment)?;
        if secret.is_empty() {
            self.refuse(pointer, format!("{} is empty", reference.0));
            return None;
        }
        Some(secret.into())
    }

    /// Resolves a secret that is sent in a header.
    fn header_secret(
        &mut self,
        pointer: &str,
        reference: &SecretReference,
        environment: &Environment,
    ) -> Option<SecretString> {
        let secret = self.secret(pointer, reference, environment)?;
        if HeaderValue::from_str(secret.expose_secret()).is_err() {
            let message = format!(
                "{} holds a line break or another character that no header carries",
                reference.0
            );
            self.refuse(pointer, message);
            return None;
        }
        Some(secret)
    }

    /// Replaces the references in a text.
    pub(crate) fn resolve(
        &mut self,
        pointer: &str,
        text: &str,
        environment: &Environment,
    ) -> Option<String> {
        environment
            .resolve(text)
            .map_err(|message| self.refuse(pointer, message))
            .ok()
    }
}
