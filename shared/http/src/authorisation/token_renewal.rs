//! The renewal of tokens, by one replica for all.
//!
//! The tokens are in the store. The process that finds them due or refused takes a lease, reads
//! them again, and asks for new ones; the others wait and read the store. New tokens are stored
//! before they are used, as the successors of those that they were asked for with: a refresh token
//! that is good for one use is lost only where its server took it and the response was lost before
//! it was stored.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use backon::BackoffBuilder;
use jiff::Timestamp;
use pomost_models::retry::renewal_interval;
use pomost_project::{System, auth::SessionTokenPlace};
use pomost_store::{Lease, LeaseName, Store};
use secrecy::SecretString;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tracing::{Instrument, warn};
use uuid::Uuid;

use super::{
    credential::Credential,
    held_tokens::{GrantedTokens, HeldTokens},
    token_denial::TokenDenial,
    token_seal::TokenSeal,
    token_set::TokenSet,
    token_source::TokenSource,
    token_store::{StoredTokens, TokenStore, delays},
};
use crate::{Clock, Failure, FailureClass};

/// The time by which the lease on renewals outlives a process that has it. It is renewed while
/// tokens are.
const LEASE_LIFETIME: Duration = Duration::from_secs(10);

/// The longest time that a process waits for another one to renew the tokens.
const RENEWAL_TIMEOUT: Duration = Duration::from_secs(60);

/// The time after which a final refusal is put to the test again: servers have been known to refuse
/// by mistake.
const REFUSAL_LIFETIME: Duration = Duration::from_secs(600);

/// The renewal of one system's tokens.
pub(crate) struct TokenRenewal {
    pub(super) system: String,
    source: TokenSource,
    place: SessionTokenPlace,
    store: Arc<dyn Store>,
    tokens: TokenStore,
    clock: Clock,
    /// The name of this process as a holder of the lease on renewals.
    holder: String,
    /// The latest generation that the system has accepted.
    accepted: AtomicI64,
    held: Arc<Mutex<HeldTokens>>,
}

impl TokenRenewal {
    /// Makes the renewal of the tokens of a source.
    pub(super) fn new(
        system: &System,
        source: TokenSource,
        seal: TokenSeal,
        place: SessionTokenPlace,
        store: &Arc<dyn Store>,
        clock: &Clock,
    ) -> TokenRenewal {
        TokenRenewal {
            system: system.name.clone(),
            source,
            place,
            store: store.clone(),
            tokens: TokenStore::new(&system.name, seal, store, clock),
            clock: clock.clone(),
            holder: Uuid::new_v4().to_string(),
            accepted: AtomicI64::new(0),
            held: Arc::new(Mutex::new(HeldTokens::new(clock))),
        }
    }

    /// Returns the credential of a request: of the tokens there are, or of new ones where those are
    /// due or of the generation that was refused.
    pub(super) async fn credential(
        self: &Arc<Self>,
        refused: Option<i64>,
    ) -> Result<Credential, Failure> {
        let held = self.held.clone().lock_owned().await;
        match held.known(refused) {
            Some(known) => known.and_then(|granted| self.credential_of(&granted)),
            None => {
                // The request that waits may be given up; a renewal that has begun goes on to its
                // end all the same.
                let renewing = self.clone().renew(held, refused).in_current_span();
                let cut_off =
                    |_| TokenDenial::by_us(self.message("renewing its tokens was cut off")).failure;
                tokio::spawn(renewing).await.map_err(cut_off)?
            }
        }
    }

    /// Notes that the system has accepted tokens of a generation.
    pub(crate) fn accept(&self, generation: i64) {
        self.accepted.fetch_max(generation, Ordering::Relaxed);
    }

    /// Waits until no tokens are being renewed.
    pub(crate) async fn finish(&self) {
        drop(self.held.lock().await);
    }

    async fn renew(
        self: Arc<Self>,
        mut held: OwnedMutexGuard<HeldTokens>,
        refused: Option<i64>,
    ) -> Result<Credential, Failure> {
        match self.renewed(&mut held, refused).await {
            Ok(granted) => {
                held.hold(granted.clone());
                self.credential_of(&granted)
            }
            Err(denied) => {
                let failure = denied.failure.clone();
                let is_news = held.note(denied);
                // Tokens that are due are still good for a while.
                match held.known(refused) {
                    Some(Ok(granted)) => {
                        if is_news {
                            warn!(system = self.system, error = %failure, "no new tokens; the old ones are used while they last");
                        }
                        self.credential_of(&granted)
                    }
                    _ => Err(failure),
                }
            }
        }
    }

    async fn renewed(
        &self,
        held: &mut HeldTokens,
        refused: Option<i64>,
    ) -> Result<GrantedTokens, TokenDenial> {
        let (until, mut delays) = (self.clock.now() + RENEWAL_TIMEOUT, delays().build());
        loop {
            let stored = self.tokens.read().await?;
            if let Some(granted) = self.usable(&stored, held, refused)? {
                return Ok(granted);
            }
            let lease = LeaseName::TokenRenewal(self.system.clone());
            let lease = self
                .store
                .acquire_lease(lease, &self.holder, LEASE_LIFETIME)
                .await;
            if let Some(lease) = lease.map_err(|error| self.tokens.failed(&error))? {
                let renewed = self
                    .keep_lease_during(&lease, self.renew_alone(held, refused))
                    .await;
                if let Err(error) = self.store.release_lease(&lease).await {
                    warn!(system = self.system, %error, "the lease of its tokens ends by itself");
                }
                return renewed;
            }
            if self.clock.now() > until {
                return Err(TokenDenial::by_us(self.message(
                    "another replica does not come to an end with its tokens",
                )));
            }
            self.clock
                .sleep(delays.next().unwrap_or(RENEWAL_TIMEOUT))
                .await;
        }
    }

    /// Renews the tokens under the lease, unless another replica has done it meanwhile.
    async fn renew_alone(
        &self,
        held: &mut HeldTokens,
        refused: Option<i64>,
    ) -> Result<GrantedTokens, TokenDenial> {
        let stored = self.tokens.read().await?;
        if let Some(granted) = self.usable(&stored, held, refused)? {
            return Ok(granted);
        }
        let in_vain = self.check_pace(&stored, refused)?;
        let refresh_token = stored.tokens.and_then(|tokens| tokens.refresh_token);
        match self.source.obtain(refresh_token.as_ref()).await {
            Ok(obtained) => {
                let now = self.clock.timestamp();
                let tokens = TokenSet::new(obtained, refresh_token, in_vain, now);
                self.tokens.put(stored.generation, tokens).await
            }
            Err(denied) if denied.is_final => self.tokens.refuse(stored.generation, denied).await,
            Err(denied) => Err(denied),
        }
    }

    /// Returns the stored tokens, if they are good. A refusal to renew them is an error.
    fn usable(
        &self,
        stored: &StoredTokens,
        held: &mut HeldTokens,
        refused: Option<i64>,
    ) -> Result<Option<GrantedTokens>, TokenDenial> {
        let now = self.clock.timestamp();
        if let Some(tokens) = &stored.tokens {
            let granted = GrantedTokens {
                generation: stored.generation,
                tokens: tokens.clone(),
            };
            held.hold(granted.clone());
            if Some(stored.generation) > refused && !tokens.are_due(now) {
                return Ok(Some(granted));
            }
        }
        let lasts = |refused_at: Timestamp| {
            now.duration_since(refused_at).unsigned_abs() < REFUSAL_LIFETIME
        };
        match stored.refused_at {
            Some(refused_at) if lasts(refused_at) => Err(self.source.refused_before()),
            _ => Ok(None),
        }
    }

    /// Returns the number of renewals in a row, with this one, because of tokens that never worked;
    /// the error is that it is too early for one more.
    fn check_pace(&self, stored: &StoredTokens, refused: Option<i64>) -> Result<u32, TokenDenial> {
        let never_worked =
            refused.is_some() && self.accepted.load(Ordering::Relaxed) < stored.generation;
        let Some(tokens) = stored.tokens.as_ref().filter(|_| never_worked) else {
            return Ok(0);
        };
        let in_vain = tokens.in_vain.saturating_add(1);
        match tokens.wait(in_vain, self.clock.timestamp()) {
            None => Ok(in_vain),
            Some(wait) => {
                let message = self.message("refuses tokens that were just given to us");
                Err(TokenDenial::by_the_system(message, wait))
            }
        }
    }

    /// Renews the lease while there is work. No harm is done if that fails: tokens are stored by
    /// generation.
    async fn keep_lease_during<T>(&self, lease: &Lease, work: impl Future<Output = T>) -> T {
        let renewing = async {
            loop {
                self.clock.sleep(renewal_interval(LEASE_LIFETIME)).await;
                if let Err(error) = self.store.renew_lease(lease, LEASE_LIFETIME).await {
                    warn!(system = self.system, %error, "the lease of its tokens was not prolonged");
                }
            }
        };
        tokio::select! {
            done = work => done,
            never = renewing => never,
        }
    }

    fn credential_of(&self, granted: &GrantedTokens) -> Result<Credential, Failure> {
        let token: &SecretString = &granted.tokens.token;
        Credential::token(&self.place, token, granted.generation).map_err(|error| {
            Failure::new(FailureClass::Unauthorised, self.message(&error.to_string()))
        })
    }

    fn message(&self, text: &str) -> String {
        format!("{}: {text}", self.system)
    }
}
