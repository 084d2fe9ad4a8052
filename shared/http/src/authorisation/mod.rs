//! How requests prove who sends them.
//!
//! A [`Pass`] is what a request carries. It is one and the same for systems with a key of their own; for
//! the others it is made of tokens, which [`renewal`] keeps and which [`source`] says where they come from.

mod denied;
mod held;
mod jwt;
mod oauth2;
mod pass;
mod renewal;
mod seal;
mod session;
mod source;
mod tokens;

use std::sync::{Arc, atomic::AtomicI64};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::header;
use pomost_project::{
    System,
    auth::{SessionTokenPlace, SystemAuth},
};
use pomost_store::Store;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::{Failure, FailureClass};
pub(crate) use pass::Pass;
use renewal::Renewal;
use seal::Seal;
use source::Source;

/// How requests to one system prove who sends them.
#[derive(Clone)]
pub(crate) enum Authorisation {
    /// In the same way always.
    Fixed(Arc<Pass>),
    /// By tokens that are renewed.
    Renewed(Arc<Renewal>),
}

impl Authorisation {
    /// As the system's file says. `tokens` is what asks for tokens, `store` where they are kept.
    pub(crate) fn new(
        system: &Arc<System>,
        tokens: reqwest::Client,
        store: Arc<dyn Store>,
    ) -> Result<Authorisation, Failure> {
        let renewed = |(source, seal), place| renewal(system, source, seal, place, store);
        let fixed = match &system.auth {
            SystemAuth::OAuth2(settings) => {
                return Ok(renewed(
                    Source::of_oauth2(system, settings, tokens)?,
                    SessionTokenPlace::bearer(),
                ));
            }
            SystemAuth::Session(settings) => {
                return Ok(renewed(
                    Source::of_session(system, settings, tokens)?,
                    settings.place.clone(),
                ));
            }
            SystemAuth::None => Ok(Pass::nothing()),
            SystemAuth::Bearer { token } => {
                let value = format!("Bearer {}", token.expose_secret());
                Pass::header(header::AUTHORIZATION, &value, [token.clone()])
            }
            SystemAuth::Basic { username, password } => {
                let pair =
                    BASE64_STANDARD.encode(format!("{username}:{}", password.expose_secret()));
                let secrets = [password.clone(), SecretString::from(pair.as_str())];
                Pass::header(header::AUTHORIZATION, &format!("Basic {pair}"), secrets)
            }
            SystemAuth::Header { name, value } => {
                Pass::header(name.clone(), value.expose_secret(), [value.clone()])
            }
            SystemAuth::Cookie { name, value } => Pass::cookie(name, value),
            SystemAuth::Query { name, value } => Ok(Pass::query(name, value)),
        };
        let failed = |error| {
            Failure::new(
                FailureClass::Unauthorised,
                format!("{}: {error}", system.name),
            )
        };
        fixed
            .map(|pass| Authorisation::Fixed(Arc::new(pass)))
            .map_err(failed)
    }

    /// What the next request carries: not what is of the generation that was `refused`. It is there
    /// before the deadline, or the request is not made.
    pub(crate) async fn pass(
        &self,
        refused: Option<i64>,
        deadline: Option<Instant>,
    ) -> Result<Arc<Pass>, Failure> {
        let renewal = match self {
            Authorisation::Fixed(pass) => return Ok(pass.clone()),
            Authorisation::Renewed(renewal) => renewal,
        };
        let Some(deadline) = deadline else {
            return renewal.pass(refused).await.map(Arc::new);
        };
        let pass = timeout_at(deadline, renewal.pass(refused))
            .await
            .unwrap_or_else(|_| {
                // What gives tokens has less time than a request, so it is not that which does not answer.
                let message = format!(
                    "{}: its tokens were not renewed within the time-out",
                    renewal.system
                );
                Err(Failure::not_sent(FailureClass::Unreachable, message))
            });
        pass.map(Arc::new)
    }

    /// Notes that what a request carried was accepted.
    pub(crate) fn accept(&self, pass: &Pass) {
        if let (Authorisation::Renewed(renewal), Some(generation)) = (self, pass.generation) {
            renewal.accept(generation);
        }
    }

    /// Waits until nothing is being renewed.
    pub(crate) async fn finish(&self) {
        if let Authorisation::Renewed(renewal) = self {
            renewal.finish().await;
        }
    }
}

fn renewal(
    system: &System,
    source: Source,
    seal: Seal,
    place: SessionTokenPlace,
    store: Arc<dyn Store>,
) -> Authorisation {
    Authorisation::Renewed(Arc::new(Renewal {
        system: system.name.clone(),
        source,
        place,
        store,
        seal,
        holder: Uuid::new_v4().to_string(),
        accepted: AtomicI64::new(0),
        held: Arc::default(),
    }))
}
