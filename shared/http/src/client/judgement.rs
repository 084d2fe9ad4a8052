//! Reading a response and judging it: a success, or a failure of some class.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use pomost_project::request::AnswerRule;

use super::{attempt::FailedAttempt, exchange::RequestExchange};
use crate::{
    Failure, FailureClass, RequestEffect, Response, StreamedResponse, TransportResponse,
    authorisation::Credential,
    response::{
        body::{self, BodyError},
        meaning::ResponseMeaning,
        rate_limit_headers::RateLimitHeaders,
        web_page::{self, WebPage, is_web_page},
    },
};

impl RequestExchange<'_> {
    /// Reads the whole response and judges it.
    pub(super) async fn read(
        &self,
        credential: &Arc<Credential>,
        response: TransportResponse,
    ) -> Result<Response, FailedAttempt> {
        let response = self.with_body(credential, response).await?;
        let meaning = response.meaning(&self.request.method, self.rules());
        if meaning.is_success_by_status() && response.is_web_page(self.request.format) {
            let page = WebPage {
                status: response.status,
                headers: &response.headers,
                beginning: &response.body,
            };
            return Err(self.web_page(credential, &page).into());
        }
        let is_about_credential = meaning.is_about_credential(response.status);
        if !is_about_credential {
            self.client.authorisation.accept(credential);
        }
        match meaning.class {
            None => Ok(response),
            Some(class) => Err(FailedAttempt {
                failure: self
                    .failed(credential, class, meaning.by_rule, &response)
                    .await,
                refused_tokens: credential.generation.filter(|_| is_about_credential),
            }),
        }
    }

    async fn with_body(
        &self,
        credential: &Arc<Credential>,
        TransportResponse {
            status,
            headers,
            body,
        }: TransportResponse,
    ) -> Result<Response, Failure> {
        let bounds = self.bounds(Some(self.client.system.max_answer));
        let (body, unread) = match body::whole(body, &headers, bounds).await {
            Ok(body) => (body, None),
            Err(error) if self.status_is_enough(status) => (Bytes::new(), Some(error.to_string())),
            Err(error) => return Err(self.unreadable(status, &error)),
        };
        Ok(Response {
            status,
            headers,
            body,
            unread,
            credential: Some(credential.clone()),
        })
    }

    async fn failed(
        &self,
        credential: &Credential,
        class: FailureClass,
        by_rule: bool,
        response: &Response,
    ) -> Failure {
        let (system, label) = (&self.client.system.name, self.request.label);
        let now = self.client.clock.timestamp().into();
        let limits = RateLimitHeaders::of(&response.headers, now);
        let hide = |text: &str| credential.hide(text);
        let failure = Failure::from_response(system, label, class, response, &limits, hide);
        // Where the status alone asks for a hold, that began before the body was read.
        let is_throttled_by_rule = class == FailureClass::Throttled && by_rule;
        if is_throttled_by_rule
            && let (None, Some(length)) = (limits.hold(response.status), failure.retry_after)
        {
            self.client.hold.begin(length).await;
        }
        failure
    }

    /// Judges a response by its beginning: a web page is no success.
    pub(super) fn judge_beginning(
        &self,
        streamed: &StreamedResponse,
        credential: &Credential,
    ) -> Result<(), Failure> {
        let headers = &streamed.headers;
        let telling = streamed.beginning(web_page::TELLING_BYTES);
        if !is_web_page(headers, &telling, self.request.format) {
            self.client.authorisation.accept(credential);
            return Ok(());
        }
        let page = WebPage {
            status: streamed.status,
            headers,
            beginning: &streamed.beginning(web_page::SEARCHED_BYTES),
        };
        Err(self.web_page(credential, &page))
    }

    /// The failure of a request whose response is a web page. It says nothing about the credential:
    /// the page may be a login.
    fn web_page(&self, credential: &Credential, page: &WebPage<'_>) -> Failure {
        let now = self.client.clock.timestamp().into();
        let hide = |text: &str| credential.hide(text);
        let failure = web_page::failure(page, &self.place(), self.request, now, hide);
        let rule = format!("{{ status: {}, means: ok }}", page.status.as_u16());
        let message = format!(
            "{}; if that is its answer, say so in answers: {rule}",
            failure.message
        );
        Failure { message, ..failure }
    }

    pub(super) fn meaning_by_status(&self, status: StatusCode) -> Option<ResponseMeaning> {
        ResponseMeaning::by_status(status, &self.request.method, self.rules())
    }

    fn rules(&self) -> impl Iterator<Item = &AnswerRule> {
        self.request
            .answers
            .iter()
            .chain(&self.client.system.answers)
    }

    /// Returns true if a response can be judged without its body.
    fn status_is_enough(&self, status: StatusCode) -> bool {
        let meaning = self.meaning_by_status(status);
        meaning.is_some_and(|meaning| meaning.class.is_some() || !self.request.needs_body)
    }

    pub(super) fn unreadable(&self, status: StatusCode, error: &BodyError) -> Failure {
        let effect = if status.is_client_error() {
            RequestEffect::None
        } else {
            RequestEffect::Unknown
        };
        let failure = Failure::new(error.class(), format!("{}: {error}", self.place()));
        Failure {
            status: Some(status.as_u16()),
            effect,
            ..failure
        }
    }
}
