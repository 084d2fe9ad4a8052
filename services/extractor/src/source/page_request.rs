//! The request for one page of a listing.

use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use http::{HeaderMap, StatusCode};
use pomost_expression::{Value, Variables, text};
use pomost_http::{
    Failure, FailureClass, OutgoingRequest, Response, StreamLimits, is_without_content,
};
use pomost_project::flow::{CursorRules, ListingRequest};

use super::{PageReader, Source};
use crate::{
    error::Error,
    paging::{PagePosition, query_parameter},
};

/// A body that arrives in chunks.
pub(super) type BodyStream = BoxStream<'static, Result<Bytes, Failure>>;

/// The answer to the request for a page.
pub(super) struct PageResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// The answer has no content: no rows, and no page after it.
    pub(super) is_empty: bool,
    pub(super) body: BodyStream,
}

impl Source {
    /// Requests the page of a listing at a position.
    pub async fn open_page<'a>(
        &'a self,
        listing: &'a ListingRequest,
        position: &PagePosition,
        variables: &Variables,
    ) -> Result<PageReader<'a>, Error> {
        let variables = Variables {
            page: position.variable(),
            ..variables.clone()
        };
        let request = self.page_request(listing, position, &variables)?;
        let url = request.url.clone();
        let response = self.page_response(request).await?;
        if response.is_empty {
            self.check_empty_page(response.status, listing, position, &variables)?;
        }
        Ok(PageReader::new(
            self,
            listing,
            position.clone(),
            variables,
            url,
            response,
        ))
    }

    fn page_request<'a>(
        &'a self,
        listing: &'a ListingRequest,
        position: &PagePosition,
        variables: &Variables,
    ) -> Result<OutgoingRequest<'a>, Failure> {
        let mut request = self.prepare(&listing.request, &Value::Null, variables)?;
        request.format = listing.format.as_ref();
        if let PagePosition::Url(next) = position {
            request.url = self.client.follow(&request.url, next)?;
            return Ok(request);
        }
        let token = listing
            .sync_token
            .as_ref()
            .and_then(|token| token.param.as_deref());
        let since = text(&variables.cursor).filter(|since| !since.is_empty());
        if let (Some(parameter), Some(since)) = (token, since) {
            request.url.query_pairs_mut().append_pair(parameter, &since);
        }
        if let (Some(parameter), Some(value)) =
            (query_parameter(&listing.paginate), position.value())
        {
            request.url.query_pairs_mut().append_pair(parameter, &value);
        }
        Ok(request)
    }

    /// Returns the answer while its body still arrives, or the whole of it where its rows lead to
    /// requests of their own: those take long, and a source whose answer is read too slowly breaks
    /// it off.
    async fn page_response(&self, request: OutgoingRequest<'_>) -> Result<PageResponse, Failure> {
        let extract = &self.flow.extract;
        if extract.fetch.is_some() || extract.for_each.is_some() {
            let response = self.send_with_retries(request).await?;
            let is_empty = response.is_empty();
            let Response {
                status,
                headers,
                body,
                ..
            } = response;
            return Ok(PageResponse {
                status,
                headers,
                is_empty,
                body: stream::iter([Ok(body)]).boxed(),
            });
        }
        let streamed = self
            .client
            .send_streaming(request, StreamLimits::default())
            .await?;
        let (status, headers, is_empty) = (
            streamed.status,
            streamed.headers.clone(),
            streamed.is_empty(),
        );
        Ok(PageResponse {
            status,
            headers,
            is_empty,
            body: streamed.boxed(),
        })
    }

    /// Refuses an answer without content where it must not be taken for an empty page. An answer
    /// before it named this page, so a blank one in its place is a fault that may pass.
    fn check_empty_page(
        &self,
        status: StatusCode,
        listing: &ListingRequest,
        position: &PagePosition,
        variables: &Variables,
    ) -> Result<(), Error> {
        let label = &listing.request.label;
        let is_named =
            position.is_from_answer(&listing.paginate) && !self.is_start(position, variables);
        if is_without_content(status) || !is_named {
            return self.check_sweep(status, label);
        }
        let message = format!(
            "{label} answered {status} without content for a page that the answer before named"
        );
        Err(Failure::new(FailureClass::Transient, message).into())
    }

    /// Refuses an answer without content that does not say that there are no records, since a sweep
    /// would take it for that and delete them all.
    fn check_sweep(&self, status: StatusCode, label: &str) -> Result<(), Error> {
        let hint = match status {
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT => return Ok(()),
            StatusCode::NOT_MODIFIED => {
                "ask for all records, without If-Modified-Since and If-None-Match"
            }
            _ => "where there are no records, 204 or an empty list says so",
        };
        let message = format!(
            "{label} answered {status} and nothing else, which does not say what extract.sweep is to delete; {hint}"
        );
        self.flow
            .extract
            .sweep
            .map_or(Ok(()), |_| Err(Error::Permanent(message)))
    }

    /// True at the link that is the flow's cursor: a run begins there, though an answer named it.
    fn is_start(&self, position: &PagePosition, variables: &Variables) -> bool {
        let is_link = self
            .flow
            .extract
            .cursor
            .as_ref()
            .is_some_and(CursorRules::is_link);
        is_link
            && matches!(position, PagePosition::Url(url) if text(&variables.cursor).as_ref() == Some(url))
    }
}
