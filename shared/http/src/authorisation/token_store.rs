//! The tokens of a system in the store, sealed.

use std::{sync::Arc, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use futures_util::{FutureExt, future::BoxFuture};
use jiff::Timestamp;
use pomost_store::Store;
use tracing::{info, warn};

use super::{
    held_tokens::GrantedTokens, token_denial::TokenDenial, token_seal::TokenSeal,
    token_set::TokenSet,
};
use crate::Clock;

/// The longest delay between attempts to store new tokens.
const MAX_STORING_DELAY: Duration = Duration::from_secs(5);

/// Reads and writes the tokens of one system.
pub(super) struct TokenStore {
    system: String,
    seal: TokenSeal,
    store: Arc<dyn Store>,
    clock: Clock,
}

/// The tokens as they are in the store.
pub(super) struct StoredTokens {
    pub(super) generation: i64,
    pub(super) tokens: Option<TokenSet>,
    /// The time of the last final refusal to renew them.
    pub(super) refused_at: Option<Timestamp>,
}

impl TokenStore {
    pub(super) fn new(
        system: &str,
        seal: TokenSeal,
        store: &Arc<dyn Store>,
        clock: &Clock,
    ) -> TokenStore {
        TokenStore {
            system: system.to_owned(),
            seal,
            store: store.clone(),
            clock: clock.clone(),
        }
    }

    /// Reads the tokens. Those that cannot be decrypted are as good as none.
    pub(super) async fn read(&self) -> Result<StoredTokens, TokenDenial> {
        let grant = self.store.grant(&self.seal.key).await;
        let Some(grant) = grant.map_err(|error| self.failed(&error))? else {
            return Ok(StoredTokens {
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
        Ok(StoredTokens {
            generation: grant.generation,
            tokens,
            refused_at: grant.refused_at,
        })
    }

    /// Stores new tokens as the next generation, however long that takes: the old ones may be worth
    /// nothing any more. Returns those of another replica where that was first.
    pub(super) async fn put(
        &self,
        after: i64,
        tokens: TokenSet,
    ) -> Result<GrantedTokens, TokenDenial> {
        let plain = serde_json::to_vec(&tokens).ok();
        let sealed = plain.and_then(|plain| self.seal.seal(&plain).ok());
        let sealed =
            sealed.ok_or_else(|| self.denied_by_us("its tokens could not be encrypted"))?;
        let put = || self.store.replace_grant(&self.seal.key, after, &sealed);
        let notify = |error: &pomost_store::Error, _| warn!(system = self.system, %error, "new tokens wait for the store");
        let is_next = put
            .retry(delays().with_max_delay(MAX_STORING_DELAY))
            .sleep(sleeping(&self.clock))
            .notify(notify)
            .await;
        match is_next {
            Ok(true) => {
                info!(system = self.system, generation = after + 1, "new tokens");
                Ok(GrantedTokens {
                    generation: after + 1,
                    tokens,
                })
            }
            Ok(false) => self.read_after(after).await,
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Notes a final refusal for all replicas, unless another one stored new tokens meanwhile:
    /// those are returned.
    pub(super) async fn refuse(
        &self,
        generation: i64,
        denied: TokenDenial,
    ) -> Result<GrantedTokens, TokenDenial> {
        let noted = self
            .store
            .record_grant_refusal(&self.seal.key, generation)
            .await;
        match noted.map_err(|error| self.failed(&error))? {
            true => Err(denied),
            false => self.read_after(generation).await,
        }
    }

    /// Returns the denial of a request whose tokens the store does not give.
    pub(super) fn failed(&self, error: &pomost_store::Error) -> TokenDenial {
        self.denied_by_us(&format!("its tokens are kept in the store: {error}"))
    }

    /// Reads the tokens of a generation after this one.
    async fn read_after(&self, generation: i64) -> Result<GrantedTokens, TokenDenial> {
        let stored = self.read().await?;
        match stored.tokens {
            Some(tokens) if stored.generation > generation => Ok(GrantedTokens {
                generation: stored.generation,
                tokens,
            }),
            _ => Err(self.denied_by_us("its stored tokens were taken away")),
        }
    }

    fn denied_by_us(&self, text: &str) -> TokenDenial {
        TokenDenial::by_us(format!("{}: {text}", self.system))
    }
}

/// Returns the way to wait between attempts by a clock.
fn sleeping(clock: &Clock) -> impl Fn(Duration) -> BoxFuture<'static, ()> + 'static {
    let clock = clock.clone();
    move |delay| {
        let clock = clock.clone();
        async move { clock.sleep(delay).await }.boxed()
    }
}

/// Returns the delays between attempts at something that the store or another replica holds up.
pub(super) fn delays() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(20))
        .with_max_delay(Duration::from_millis(500))
        .without_max_times()
        .with_jitter()
}
