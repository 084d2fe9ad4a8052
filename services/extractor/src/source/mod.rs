//! The source of a flow: its requests, its pages and the rows in them, without queues or a store.
//!
//! [`page_request`] asks for a page of a listing, and [`page`] reads its rows as they arrive;
//! [`row_fetch`] asks about each row where the listing gives little more than ids; [`retry`] says
//! for how long a failed request is sent again.

pub mod page;
mod page_request;
mod retry;
pub mod row_fetch;

use std::sync::Arc;

use pomost_expression::{Value, Variables};
use pomost_http::{Failure, OutgoingRequest, Response, SystemClient};
use pomost_project::{Flow, request::RequestTemplate};

pub(crate) use page::{PageReader, SyncToken};
pub(crate) use retry::RetryBackoff;

/// A flow and the client of the system that its records come from.
#[derive(Clone)]
pub struct Source {
    pub client: SystemClient,
    pub flow: Arc<Flow>,
}

impl Source {
    /// Fills a request template of the flow with an input and variables.
    pub fn prepare<'a>(
        &'a self,
        request: &'a RequestTemplate,
        input: &Value,
        variables: &Variables,
    ) -> Result<OutgoingRequest<'a>, Failure> {
        self.client
            .prepare(request, &self.flow.extract.answers, input, variables)
    }

    /// Sends a request, and sends it again for as long as [`RetryBackoff`] allows.
    pub async fn send_with_retries(
        &self,
        request: OutgoingRequest<'_>,
    ) -> Result<Response, Failure> {
        let mut backoff = RetryBackoff::default();
        loop {
            match self.client.send(request.clone()).await {
                Err(failure) => backoff.wait(self, failure).await?,
                response => return response,
            }
        }
    }
}
