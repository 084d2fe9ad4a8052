//! Where tokens come from.

use std::{sync::Arc, time::Duration};

use pomost_project::{
    System,
    auth::{OAuthSettings, SessionLogin},
};
use secrecy::{ExposeSecret, SecretString};

use super::{
    denied::Denied, jwt::Signer, oauth2::TokenEndpoint, seal::Seal, session::Login,
    tokens::Obtained,
};
use crate::{Failure, FailureClass};

/// How long asking for tokens may take. Whoever ends waits for it.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Where tokens come from.
pub(crate) enum Source {
    /// An authorisation server.
    OAuth2(TokenEndpoint),
    /// A login.
    Session(Login),
}

impl Source {
    /// An authorisation server, and what seals its tokens.
    pub(crate) fn of_oauth2(
        system: &System,
        settings: &Arc<OAuthSettings>,
        http: reqwest::Client,
    ) -> Result<(Source, Seal), Failure> {
        let failed = |message: String| Failure::new(FailureClass::Unauthorised, message);
        let signer = settings.signing_key().map(Signer::new).transpose();
        let signer = signer.map_err(|error| {
            failed(format!("{}: auth.oauth2.private_key: {error}", system.name))
        })?;
        let endpoint = TokenEndpoint {
            system: system.name.clone(),
            settings: settings.clone(),
            http,
            timeout: timeout(system),
            signer,
        };
        let secret = settings
            .secret()
            .or(system.tls.identity.as_ref())
            .cloned()
            .unwrap_or_default();
        Ok((
            Source::OAuth2(endpoint),
            seal(system, &settings.configuration(), &secret)?,
        ))
    }

    /// A login, and what seals its tokens.
    pub(crate) fn of_session(
        system: &Arc<System>,
        settings: &Arc<SessionLogin>,
        http: reqwest::Client,
    ) -> Result<(Source, Seal), Failure> {
        let login = Login {
            system: system.clone(),
            settings: settings.clone(),
            http,
            timeout: timeout(system),
        };
        let secrets = settings
            .credentials
            .values()
            .map(ExposeSecret::expose_secret);
        let secret = secrets.collect::<Vec<_>>().join("\0").into();
        let configuration = [system.base_url.as_str(), &settings.request.label];
        Ok((
            Source::Session(login),
            seal(system, &configuration, &secret)?,
        ))
    }

    /// Asks for tokens.
    pub(crate) async fn obtain(
        &self,
        refresh_token: Option<&SecretString>,
    ) -> Result<Obtained, Denied> {
        match self {
            Source::OAuth2(endpoint) => endpoint.obtain(refresh_token).await,
            Source::Session(login) => login.obtain().await,
        }
    }

    /// What is said after a refusal that is final, and that this process may not have seen.
    pub(crate) fn refused_before(&self) -> Denied {
        match self {
            Source::OAuth2(endpoint) => {
                Denied::finally(endpoint.needs_authorisation("it was refused before"))
            }
            Source::Session(login) => {
                Denied::refused(format!("{}: its login was refused", login.system.name))
            }
        }
    }
}

/// A little less than a request may take: that one is to learn why there are no tokens.
fn timeout(system: &System) -> Duration {
    (system.timeout * 9 / 10).min(LONGEST_TIMEOUT)
}

fn seal(system: &System, configuration: &[&str], secret: &SecretString) -> Result<Seal, Failure> {
    let failed = |_| {
        Failure::new(
            FailureClass::Unauthorised,
            format!("{}: no key could be derived", system.name),
        )
    };
    Seal::new(&system.name, configuration, secret).map_err(failed)
}
