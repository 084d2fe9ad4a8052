//! The sources of tokens.

use std::sync::Arc;

use pomost_project::{
    System,
    auth::{OAuthSettings, SessionLogin},
};
use secrecy::{ExposeSecret, SecretString};

use super::{
    assertion::AssertionSigner, login::LoginEndpoint, token_denial::TokenDenial,
    token_endpoint::TokenEndpoint, token_requests::TokenRequests, token_seal::TokenSeal,
    token_set::ObtainedToken,
};
use crate::{Failure, FailureClass};

/// A source of tokens.
pub(super) enum TokenSource {
    /// The token endpoint of an authorisation server.
    OAuth2(TokenEndpoint),
    /// The login of a system.
    Session(LoginEndpoint),
}

impl TokenSource {
    /// Makes an authorisation server's source, and the seal of its tokens.
    pub(super) fn of_oauth2(
        system: &System,
        settings: &Arc<OAuthSettings>,
        requests: TokenRequests,
    ) -> Result<(TokenSource, TokenSeal), Failure> {
        let failed = |message: String| Failure::new(FailureClass::Unauthorised, message);
        let signer = settings.signing_key().map(AssertionSigner::new).transpose();
        let signer = signer.map_err(|error| {
            failed(format!("{}: auth.oauth2.private_key: {error}", system.name))
        })?;
        let endpoint = TokenEndpoint {
            system: system.name.clone(),
            settings: settings.clone(),
            requests,
            signer,
        };
        let secret = settings
            .secret()
            .or(system.tls.identity.as_ref())
            .cloned()
            .unwrap_or_default();
        Ok((
            TokenSource::OAuth2(endpoint),
            seal(system, &settings.configuration(), &secret)?,
        ))
    }

    /// Makes a login's source, and the seal of its tokens.
    pub(super) fn of_session(
        system: &Arc<System>,
        settings: &Arc<SessionLogin>,
        requests: TokenRequests,
    ) -> Result<(TokenSource, TokenSeal), Failure> {
        let login = LoginEndpoint {
            system: system.clone(),
            settings: settings.clone(),
            requests,
        };
        let secrets = settings
            .credentials
            .values()
            .map(ExposeSecret::expose_secret);
        let secret = secrets.collect::<Vec<_>>().join("\0").into();
        let configuration = [system.base_url.as_str(), &settings.request.label];
        Ok((
            TokenSource::Session(login),
            seal(system, &configuration, &secret)?,
        ))
    }

    /// Asks for tokens.
    pub(super) async fn obtain(
        &self,
        refresh_token: Option<&SecretString>,
    ) -> Result<ObtainedToken, TokenDenial> {
        match self {
            TokenSource::OAuth2(endpoint) => endpoint.obtain(refresh_token).await,
            TokenSource::Session(login) => login.obtain().await,
        }
    }

    /// Makes the denial after a final refusal that another process may have seen.
    pub(super) fn refused_before(&self) -> TokenDenial {
        match self {
            TokenSource::OAuth2(endpoint) => {
                TokenDenial::finally(endpoint.needs_authorisation("it was refused before"))
            }
            TokenSource::Session(login) => {
                TokenDenial::refused(format!("{}: its login was refused", login.system.name))
            }
        }
    }
}

fn seal(
    system: &System,
    configuration: &[&str],
    secret: &SecretString,
) -> Result<TokenSeal, Failure> {
    let failed = |_| {
        Failure::new(
            FailureClass::Unauthorised,
            format!("{}: no key could be derived", system.name),
        )
    };
    TokenSeal::new(&system.name, configuration, secret).map_err(failed)
}
