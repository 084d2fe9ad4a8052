//! The proof, in each request, of who sends it.
//!
//! A request carries a [`Credential`]. It is always the same for systems with a key of their own.
//! For the others it is made of tokens: a [`TokenSource`] asks for them, and a [`TokenRenewal`]
//! keeps them. So a new kind of auth is either one more fixed credential (`fixed` below) or one
//! more token source.

mod assertion;
mod credential;
mod held_tokens;
mod login;
mod token_denial;
mod token_endpoint;
mod token_form;
mod token_renewal;
mod token_requests;
mod token_seal;
mod token_set;
mod token_source;
mod token_store;

use std::sync::Arc;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::header;
use pomost_project::{
    System,
    auth::{SessionTokenPlace, SystemAuth},
};
use pomost_store::Store;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use crate::{Clock, Failure, FailureClass, Transport};
pub(crate) use credential::Credential;
use credential::CredentialError;
use token_renewal::TokenRenewal;
use token_requests::TokenRequests;
use token_source::TokenSource;

/// The authorisation of requests to one system.
#[derive(Clone)]
pub(crate) enum Authorisation {
    /// The same credential always.
    Fixed(Arc<Credential>),
    /// Tokens that are renewed.
    Renewed(Arc<TokenRenewal>, Clock),
}

impl Authorisation {
    /// Makes the authorisation that the system's file asks for. Tokens are asked for over its
    /// transport and kept in the store.
    pub(crate) fn new(
        system: &Arc<System>,
        transport: &Arc<dyn Transport>,
        store: &Arc<dyn Store>,
        clock: &Clock,
    ) -> Result<Authorisation, Failure> {
        let requests = || TokenRequests::new(system, transport, clock);
        let renewed = |(source, seal), place| {
            let renewal = TokenRenewal::new(system, source, seal, place, store, clock);
            Ok(Authorisation::Renewed(Arc::new(renewal), clock.clone()))
        };
        match &system.auth {
            SystemAuth::OAuth2(settings) => renewed(
                TokenSource::of_oauth2(system, settings, requests())?,
                SessionTokenPlace::bearer(),
            ),
            SystemAuth::Session(settings) => renewed(
                TokenSource::of_session(system, settings, requests())?,
                settings.place.clone(),
            ),
            auth => match fixed(auth) {
                Ok(credential) => Ok(Authorisation::Fixed(Arc::new(credential))),
                Err(error) => {
                    let message = format!("{}: {error}", system.name);
                    Err(Failure::new(FailureClass::Unauthorised, message))
                }
            },
        }
    }

    /// Returns the credential of the next request: not one of the generation that was `refused`. It
    /// is there before the deadline, or the request is not sent.
    pub(crate) async fn credential(
        &self,
        refused: Option<i64>,
        deadline: Option<Instant>,
    ) -> Result<Arc<Credential>, Failure> {
        let (renewal, clock) = match self {
            Authorisation::Fixed(credential) => return Ok(credential.clone()),
            Authorisation::Renewed(renewal, clock) => (renewal, clock),
        };
        let Some(deadline) = deadline else {
            return renewal.credential(refused).await.map(Arc::new);
        };
        let credential = clock
            .until(deadline, renewal.credential(refused))
            .await
            .unwrap_or_else(|| {
                // The token source has less time than a request, so it is not the one that does not
                // answer.
                let message = format!(
                    "{}: its tokens were not renewed within the time-out",
                    renewal.system
                );
                Err(Failure::not_sent(FailureClass::Unreachable, message))
            });
        credential.map(Arc::new)
    }

    /// Notes that the credential of a request was accepted.
    pub(crate) fn accept(&self, credential: &Credential) {
        if let (Authorisation::Renewed(renewal, _), Some(generation)) =
            (self, credential.generation)
        {
            renewal.accept(generation);
        }
    }

    /// Waits until no tokens are being renewed.
    pub(crate) async fn finish(&self) {
        if let Authorisation::Renewed(renewal, _) = self {
            renewal.finish().await;
        }
    }
}

/// Makes the credential of a system with a key of its own.
fn fixed(auth: &SystemAuth) -> Result<Credential, CredentialError> {
    match auth {
        SystemAuth::Bearer { token } => {
            let value = format!("Bearer {}", token.expose_secret());
            Credential::header(header::AUTHORIZATION, &value, [token.clone()])
        }
        SystemAuth::Basic { username, password } => {
            let pair = BASE64_STANDARD.encode(format!("{username}:{}", password.expose_secret()));
            let secrets = [password.clone(), SecretString::from(pair.as_str())];
            Credential::header(header::AUTHORIZATION, &format!("Basic {pair}"), secrets)
        }
        SystemAuth::Header { name, value } => {
            Credential::header(name.clone(), value.expose_secret(), [value.clone()])
        }
        SystemAuth::Cookie { name, value } => Credential::cookie(name, value),
        SystemAuth::Query { name, value } => Ok(Credential::query(name, value)),
        // The two with tokens are renewed, which the caller sees to.
        SystemAuth::None | SystemAuth::OAuth2(_) | SystemAuth::Session(_) => {
            Ok(Credential::nothing())
        }
    }
}
