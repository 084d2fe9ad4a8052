//! Fetching one page of a listing.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use pomost_expression::{Value, Variables, read};
use pomost_http::{Answer, Call, Class, Failure};
use pomost_project::{
    flow::{Listing, Paginate},
    request::Request,
};
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
    /// The rows.
    pub rows: Vec<Value>,
    /// Where the next page is, or `None` after the last.
    pub next: Option<Position>,
}

impl Source {
    /// Fetches the page of a listing at a position.
    pub async fn page(
        &self,
        listing: &Listing,
        position: &Position,
        variables: &Variables,
    ) -> Result<Page, Error> {
        let variables = Variables { page: position.variable(), ..variables.clone() };
        let call = self.page_call(listing, position, &variables)?;
        let url = call.url.clone();
        let answer = self.ask(call).await?;
        let body = json(&listing.request, &answer)?;
        let rows = listing.records.outputs(body.clone(), &variables);
        let rows =
            rows.map_err(|error| Error::Source(format!("{}.records: {}", listing.place, error.message)))?;
        let next = position.next(&listing.paginate, &body, &answer.headers, rows.len(), &variables);
        let next =
            next.map_err(|error| Error::Source(format!("{}.paginate: {}", listing.place, error.message)))?;
        let next = next.map(|next| self.absolute(next, &url)).transpose()?;
        Ok(Page { rows, next })
    }

    /// Makes a request. A system that is away, throttles or refuses our credentials is waited for,
    /// however long; a failure that may pass is tried again; any other is an error.
    pub async fn ask(&self, call: Call<'_>) -> Result<Answer, Failure> {
        let mut attempts = 0;
        (|| self.client.send(call.clone()))
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
            .await
    }

    /// The call that a request of the flow is for this input.
    pub fn call<'a>(
        &'a self,
        request: &'a Request,
        input: &Value,
        variables: &Variables,
    ) -> Result<Call<'a>, Failure> {
        self.client.call(request, &self.flow.extract.answers, input, variables)
    }

    fn page_call<'a>(
        &'a self,
        listing: &'a Listing,
        position: &Position,
        variables: &Variables,
    ) -> Result<Call<'a>, Failure> {
        let mut call = self.call(&listing.request, &Value::Null, variables)?;
        if let Position::Url(next) = position {
            call.url = self.client.follow(&call.url, next)?;
        }
        if let (Some(param), Some(value)) = (param(&listing.paginate), position.value()) {
            call.url.query_pairs_mut().append_pair(param, &value);
        }
        Ok(call)
    }

    /// The position with its URL as seen from the page that names it (RFC 3986 §5).
    fn absolute(&self, position: Position, page: &Url) -> Result<Position, Failure> {
        match position {
            Position::Url(next) => Ok(Position::Url(self.client.follow(page, &next)?.into())),
            other => Ok(other),
        }
    }
}

/// The answer to a request as a value.
pub fn json(request: &Request, answer: &Answer) -> Result<Value, Error> {
    read(&answer.body)
        .map_err(|error| Error::Source(format!("{}: the answer is not JSON: {error}", request.label)))
}

fn param(paginate: &Paginate) -> Option<&str> {
    match paginate {
        Paginate::None | Paginate::Next(_) | Paginate::Link(_) => None,
        Paginate::Page { param, .. } | Paginate::Offset { param, .. } | Paginate::Token { param, .. } => {
            param.as_deref()
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
