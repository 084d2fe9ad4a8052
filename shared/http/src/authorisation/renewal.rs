//! Tokens that are renewed, by one replica for all.
//!
//! The tokens are in the store. Whoever finds them due or refused takes a lease, looks again, and asks
//! for new ones; the others wait and look into the store. New tokens are stored before they are used,
//! as the successors of those they were asked for with: a refresh token that is good for one use is
//! lost only where its server took it and the answer did not live to be stored.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder, Retryable};
use jiff::Timestamp;
use pomost_project::auth::SessionTokenPlace;
use pomost_store::{Lease, LeaseName, Store};
use secrecy::SecretString;
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::{Instant, sleep},
};
use tracing::{Instrument, info, warn};

use super::{
    denied::Denied,
    held::{Granted, Held},
    pass::Pass,
    seal::Seal,
    source::Source,
    tokens::Tokens,
};
use crate::{Failure, FailureClass};

/// How long the right to renew outlives whoever has it; it is prolonged while that one is at work.
const LEASE: Duration = Duration::from_secs(10);

/// How long others are waited for that renew.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a refusal that is final holds before it is tried again: servers have been known to refuse
/// by mistake.
const REFUSAL: Duration = Duration::from_secs(600);

/// The tokens of one system.
pub(crate) struct Renewal {
    pub(crate) system: String,
    pub(crate) source: Source,
    pub(crate) place: SessionTokenPlace,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) seal: Seal,
    /// Names this process among those that renew.
    pub(crate) holder: String,
    /// The latest generation that the system has accepted.
    pub(crate) accepted: AtomicI64,
    pub(crate) held: Arc<Mutex<Held>>,
}

/// The tokens as they are in the store.
struct Stored {
    generation: i64,
    tokens: Option<Tokens>,
    refused_at: Option<Timestamp>,
}

impl Renewal {
    /// What a request carries: the tokens there are, or new ones where those are due, or of the
    /// generation that was refused.
    pub(crate) async fn pass(self: &Arc<Self>, refused: Option<i64>) -> Result<Pass, Failure> {
        let held = self.held.clone().lock_owned().await;
        match held.known(refused, Timestamp::now()) {
            Some(known) => known.and_then(|granted| self.pass_of(&granted)),
            None => {
                // Whoever waits may give up; what was begun is brought to its end all the same.
                let renewing = self.clone().renew(held, refused).in_current_span();
                let cut_off =
                    |_| Denied::by_us(self.message("renewing its tokens was cut off")).failure;
                tokio::spawn(renewing).await.map_err(cut_off)?
            }
        }
    }

    /// Notes that the system has accepted tokens of a generation.
    pub(crate) fn accept(&self, generation: i64) {
        self.accepted.fetch_max(generation, Ordering::Relaxed);
    }

    /// Waits until nothing is being renewed.
    pub(crate) async fn finish(&self) {
        drop(self.held.lock().await);
    }

    async fn renew(
        self: Arc<Self>,
        mut held: OwnedMutexGuard<Held>,
        refused: Option<i64>,
    ) -> Result<Pass, Failure> {
        match self.renewed(&mut held, refused).await {
            Ok(granted) => {
                held.keep(granted.clone());
                self.pass_of(&granted)
            }
            Err(denied) => {
                let failure = denied.failure.clone();
                let is_news = held.note(denied);
                // What is only due is good for a while.
                match held.known(refused, Timestamp::now()) {
                    Some(Ok(granted)) => {
                        if is_news {
                            warn!(system = self.system, error = %failure, "no new tokens; the old ones are used while they last");
                        }
                        self.pass_of(&granted)
                    }
                    _ => Err(failure),
                }
            }
        }
    }

    async fn renewed(&self, held: &mut Held, refused: Option<i64>) -> Result<Granted, Denied> {
        let (until, mut pauses) = (Instant::now() + PATIENCE, pauses().build());
        loop {
            let stored = self.stored().await?;
            if let Some(granted) = self.usable(&stored, held, refused)? {
                return Ok(granted);
            }
            let lease = LeaseName::TokenRenewal(self.system.clone());
            let lease = self.store.acquire_lease(lease, &self.holder, LEASE).await;
            if let Some(lease) = lease.map_err(|error| self.store_failed(&error))? {
                let renewed = self.keeping(&lease, self.renew_alone(held, refused)).await;
                if let Err(error) = self.store.release_lease(&lease).await {
                    warn!(system = self.system, %error, "the lease of its tokens ends by itself");
                }
                return renewed;
            }
            if Instant::now() > until {
                return Err(Denied::by_us(self.message(
                    "another replica does not come to an end with its tokens",
                )));
            }
            sleep(pauses.next().unwrap_or(PATIENCE)).await;
        }
    }

    /// Looks again now that nobody else can renew: another replica may have done it meanwhile.
    async fn renew_alone(&self, held: &mut Held, refused: Option<i64>) -> Result<Granted, Denied> {
        let stored = self.stored().await?;
        if let Some(granted) = self.usable(&stored, held, refused)? {
            return Ok(granted);
        }
        let in_vain = self.check_pace(&stored, refused)?;
        let refresh_token = stored.tokens.and_then(|tokens| tokens.refresh_token);
        match self.source.obtain(refresh_token.as_ref()).await {
            Ok(obtained) => {
                let tokens = Tokens::new(obtained, refresh_token, in_vain);
                self.put(stored.generation, tokens).await
            }
            Err(denied) if denied.is_final => self.refuse(stored.generation, denied).await,
            Err(denied) => Err(denied),
        }
    }

    async fn stored(&self) -> Result<Stored, Denied> {
        let grant = self
            .store
            .grant(&self.seal.key)
            .await
            .map_err(|error| self.store_failed(&error))?;
        let Some(grant) = grant else {
            return Ok(Stored {
                generation: 0,
                tokens: None,
                refused_at: None,
            });
        };
        let opened = self.seal.open(&grant.sealed);
        let tokens = opened.and_then(|plain| serde_json::from_slice(&plain).ok());
        if tokens.is_none() && !grant.sealed.is_empty() {
            warn!(
                system = self.system,
                "its stored tokens cannot be read; new ones are asked for"
            );
        }
        Ok(Stored {
            generation: grant.generation,
            tokens,
            refused_at: grant.refused_at,
        })
    }

    /// The stored tokens, if they will do. That renewing them was refused is an error.
    fn usable(
        &self,
        stored: &Stored,
        held: &mut Held,
        refused: Option<i64>,
    ) -> Result<Option<Granted>, Denied> {
        let now = Timestamp::now();
        if let Some(tokens) = &stored.tokens {
            let granted = Granted {
                generation: stored.generation,
                tokens: tokens.clone(),
            };
            held.keep(granted.clone());
            if Some(stored.generation) > refused && !tokens.are_due(now) {
                return Ok(Some(granted));
            }
        }
        let lasts = |refused_at: Timestamp| now.duration_since(refused_at).unsigned_abs() < REFUSAL;
        match stored.refused_at {
            Some(refused_at) if lasts(refused_at) => Err(self.source.refused_before()),
            _ => Ok(None),
        }
    }

    /// How many renewals in a row there were, with this one, because of tokens that never worked.
    fn check_pace(&self, stored: &Stored, refused: Option<i64>) -> Result<u32, Denied> {
        let never_worked =
            refused.is_some() && self.accepted.load(Ordering::Relaxed) < stored.generation;
        let Some(tokens) = stored.tokens.as_ref().filter(|_| never_worked) else {
            return Ok(0);
        };
        let in_vain = tokens.in_vain.saturating_add(1);
        match tokens.wait(in_vain, Timestamp::now()) {
            None => Ok(in_vain),
            Some(wait) => {
                let message = self.message("refuses tokens that were just given to us");
                Err(Denied::by_the_system(message, wait))
            }
        }
    }

    /// Stores new tokens, however long that takes: they may be all there is.
    async fn put(&self, after: i64, tokens: Tokens) -> Result<Granted, Denied> {
        let plain = serde_json::to_vec(&tokens).ok();
        let sealed = plain.and_then(|plain| self.seal.seal(&plain).ok());
        let sealed = sealed
            .ok_or_else(|| Denied::by_us(self.message("its tokens could not be encrypted")))?;
        let put = || self.store.replace_grant(&self.seal.key, after, &sealed);
        let notify = |error: &pomost_store::Error, _| warn!(system = self.system, %error, "new tokens wait for the store");
        let is_next = put
            .retry(pauses().with_max_delay(LEASE / 2))
            .notify(notify)
            .await;
        match is_next {
            Ok(true) => {
                info!(system = self.system, generation = after + 1, "new tokens");
                Ok(Granted {
                    generation: after + 1,
                    tokens,
                })
            }
            Ok(false) => self.what_others_have(after).await,
            Err(error) => Err(self.store_failed(&error)),
        }
    }

    /// Notes a refusal for all, unless others got new tokens meanwhile.
    async fn refuse(&self, generation: i64, denied: Denied) -> Result<Granted, Denied> {
        let noted = self
            .store
            .record_grant_refusal(&self.seal.key, generation)
            .await;
        match noted.map_err(|error| self.store_failed(&error))? {
            true => Err(denied),
            false => self.what_others_have(generation).await,
        }
    }

    async fn what_others_have(&self, after: i64) -> Result<Granted, Denied> {
        let stored = self.stored().await?;
        match stored.tokens {
            Some(tokens) if stored.generation > after => Ok(Granted {
                generation: stored.generation,
                tokens,
            }),
            _ => Err(Denied::by_us(
                self.message("its stored tokens were taken away"),
            )),
        }
    }

    /// Prolongs the lease while there is work. It matters to nobody if that fails: what is stored is
    /// stored by generation.
    async fn keeping<T>(&self, lease: &Lease, work: impl Future<Output = T>) -> T {
        let prolonging = async {
            loop {
                sleep(LEASE / 3).await;
                if let Err(error) = self.store.renew_lease(lease, LEASE).await {
                    warn!(system = self.system, %error, "the lease of its tokens was not prolonged");
                }
            }
        };
        tokio::select! {
            done = work => done,
            never = prolonging => never,
        }
    }

    fn pass_of(&self, granted: &Granted) -> Result<Pass, Failure> {
        let token: &SecretString = &granted.tokens.token;
        Pass::token(&self.place, token, granted.generation).map_err(|error| {
            Failure::new(FailureClass::Unauthorised, self.message(&error.to_string()))
        })
    }

    fn store_failed(&self, error: &pomost_store::Error) -> Denied {
        Denied::by_us(self.message(&format!("its tokens are kept in the store: {error}")))
    }

    fn message(&self, text: &str) -> String {
        format!("{}: {text}", self.system)
    }
}

fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(Duration::from_millis(500))
        .without_max_times()
        .with_jitter()
}
