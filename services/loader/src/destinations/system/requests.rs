//! Makes requests of a flow's templates, and shows them.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use pomost_expression::{Value, Variables};
use pomost_http::{Failure, OutgoingRequest, Response};
use pomost_models::Operation;
use pomost_project::flow::RequestTemplate;

use super::{SystemWriter, idempotency_key::idempotency_key, no_request};
use crate::destinations::{DestinationWriter, RecordAction, WriteItem};

impl SystemWriter {
    /// Fills a template in for one record.
    pub(super) fn fill<'a>(
        &'a self,
        template: &'a RequestTemplate,
        item: &WriteItem<'a>,
        id: Option<&str>,
    ) -> Result<OutgoingRequest<'a>, Failure> {
        let input = match template.needs_input() {
            true => item.claimed.value()?,
            false => Value::Null,
        };
        let variables = self.variables(item, id);
        let request = self
            .client
            .prepare(template, &self.requests.answers, &input, &variables)?;
        Ok(OutgoingRequest {
            permit: item.permit,
            ..request
        })
    }

    /// Makes the request that writes one record. Its body is the record where the flow names none,
    /// and an answer to it needs no body.
    pub(super) fn write_request<'a>(
        &'a self,
        action: RecordAction,
        item: &WriteItem<'a>,
    ) -> Result<OutgoingRequest<'a>, Failure> {
        let template = self.template(action).ok_or_else(no_request)?;
        let mut request = self.fill(template, item, item.id)?;
        let record = &item.claimed.record;
        if request.body.is_none() && record.op == Operation::Upsert {
            request.body = Some(Bytes::copy_from_slice(record.data.get().as_bytes()));
        }
        request.headers.extend(self.headers(action, item));
        request.needs_body = false;
        Ok(request)
    }

    /// The headers that say under which condition, or as which repetition, a record is written.
    fn headers(&self, action: RecordAction, item: &WriteItem<'_>) -> HeaderMap {
        let header = match action {
            RecordAction::Create => self.idempotency_header(item),
            _ => self
                .change(action)
                .filter(|change| change.if_match.is_some())
                .and(item.known.etag.as_deref())
                .and_then(|etag| Some((header::IF_MATCH, HeaderValue::from_str(etag).ok()?))),
        };
        header.into_iter().collect()
    }

    fn idempotency_header(&self, item: &WriteItem<'_>) -> Option<(HeaderName, HeaderValue)> {
        let name = self.requests.create.as_ref()?.idempotency_header.clone()?;
        let (entry, incarnation) = (&item.claimed.entry, item.known.incarnation);
        let key = idempotency_key(&self.flow.name, &entry.key, &entry.hash, incarnation);
        Some((name, HeaderValue::from_str(&key).ok()?))
    }

    pub(super) fn variables(&self, item: &WriteItem<'_>, id: Option<&str>) -> Variables {
        let id = id.map_or(Value::Null, |id| Value::from(id.to_owned()));
        Variables {
            id,
            ..self
                .flow
                .record_variables(item.batch.run, &item.claimed.record)
        }
    }

    /// The entity tag of an answer, where the flow has a use for it.
    pub(super) fn etag(&self, response: &Response) -> Option<String> {
        let etag = response
            .headers
            .get(header::ETAG)
            .filter(|_| self.keeps_etags())?;
        Some(etag.to_str().ok()?.to_owned())
    }
}

/// Writes a request as it would be sent, without the credentials, which are added when it is sent.
pub(super) fn show(request: &OutgoingRequest<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    writeln!(f, "{} {}", request.method, request.url)?;
    for (name, value) in &request.headers {
        writeln!(f, "{name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
    }
    match &request.body {
        Some(body) => write!(f, "\n{}", String::from_utf8_lossy(body)),
        None => Ok(()),
    }
}
