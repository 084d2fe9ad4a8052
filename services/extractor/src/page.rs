//! Fetching one page.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};
use pomost_expression::{Value, Variables, read};
use pomost_http::{Call, Class, Failure};
use pomost_project::flow::Paginate;
use tracing::warn;
use url::Url;

use crate::{
    extraction::{Error, Source},
    position::Position,
};

/// How often a page is asked for before its run fails, where the failure is not the system's state.
const ATTEMPTS: usize = 8;

/// A page as it was answered.
pub struct Page {
    /// The answer.
    pub answer: Value,
    /// Where it was fetched from: what the next URL may be relative to.
    pub url: Url,
}

impl Source {
    /// Fetches the page at a position. A system that is away, throttles or refuses our credentials
    /// is waited for, however long; a failure that may pass is tried again; any other is an error.
    pub async fn page(&self, position: &Position, variables: &Variables) -> Result<Page, Error> {
        let call = self.call(position, variables)?;
        let mut attempts = 0;
        let answer = (|| self.client.send(call.clone()))
            .retry(backoff())
            .when(|failure| {
                attempts += usize::from(!failure.class.is_of_the_system());
                failure.class.is_of_the_system() || (failure.class == Class::Transient && attempts < ATTEMPTS)
            })
            .adjust(|failure, delay| delay.map(|delay| failure.retry_after.map_or(delay, |asked| asked.max(delay))))
            .notify(|failure, delay| {
                let wait = delay.as_secs_f64();
                warn!(flow = self.flow.name, error = %failure, class = failure.class.as_str(), wait, "the source waits");
            })
            .await?;
        let value = read(&answer.body).map_err(|error| {
            Error::Source(format!("{}: the answer is not JSON: {error}", self.flow.extract.request.label))
        })?;
        Ok(Page { answer: value, url: call.url })
    }

    /// The position with its URL as seen from the page that names it (RFC 3986 §5).
    pub fn absolute(&self, position: Position, page: &Page) -> Result<Position, Error> {
        match position {
            Position::Url(next) => Ok(Position::Url(self.client.follow(&page.url, &next)?.into())),
            other => Ok(other),
        }
    }

    fn call(&self, position: &Position, variables: &Variables) -> Result<Call<'_>, Failure> {
        let extract = &self.flow.extract;
        let mut call = self.client.call(&extract.request, &extract.answers, &Value::Null, variables)?;
        if let Position::Url(next) = position {
            call.url = self.client.follow(&call.url, next)?;
        }
        if let (Some(param), Some(value)) = (self.param(), position.value()) {
            call.url.query_pairs_mut().append_pair(param, &value);
        }
        Ok(call)
    }

    fn param(&self) -> Option<&str> {
        match &self.flow.extract.paginate {
            Paginate::None | Paginate::Next(_) => None,
            Paginate::Page { param, .. } | Paginate::Offset { param, .. } | Paginate::Token { param, .. } => {
                param.as_deref()
            }
        }
    }
}

fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(500))
        .with_max_delay(Duration::from_secs(30))
        .without_max_times()
        .with_jitter()
}

/// A hash that holds within this process.
pub(crate) fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
