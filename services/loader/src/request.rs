//! The requests about one record.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use pomost_expression::{Expression, Value, Variables, given, read, scalar_name};
use pomost_http::{Failure, FailureClass, OutgoingRequest, RequestEffect, Response};
use pomost_models::Operation;
use pomost_project::flow::{RequestTemplate, UpdateRequest};
use url::Url;

use crate::{
    act::{Act, Failed},
    decide::Repeats,
    destination::Destination,
    idempotency,
};

impl Act<'_> {
    /// Looks the record up.
    pub(crate) async fn found(&mut self) -> Result<Option<String>, Failure> {
        let Some(lookup) = &self.load().lookup else {
            return Ok(None);
        };
        let call = self.call(&lookup.request, None)?;
        let url = call.url.clone();
        let answer = match self.destination.client()?.send(call).await {
            Ok(answer) => answer,
            Err(failure) if failure.class == FailureClass::Gone => return Ok(None),
            Err(failure) => return Err(failure),
        };
        if answer.is_empty() {
            return self.nothing_found(answer.status);
        }
        let id = self.id_in(&answer, &lookup.id)?;
        self.known.etag = id
            .as_ref()
            .and_then(|id| self.is_at(&url, id).then(|| self.etag(&answer))?);
        Ok(id)
    }

    /// What an answer with nothing in it says to a look-up: nothing found. While a create is in doubt only a status
    /// that says so by itself is believed: a gateway that blanks answers would have the record made twice.
    fn nothing_found(&self, status: StatusCode) -> Result<Option<String>, Failure> {
        let says_so = [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT].contains(&status);
        if says_so || !self.is_create_in_doubt() {
            return Ok(None);
        }
        let message = format!(
            "the look-up was answered {status} without content, which does not say if an earlier create took place"
        );
        Err(Failure::new(FailureClass::Transient, message))
    }

    /// Makes the record and returns its id.
    pub(crate) async fn created(&mut self) -> Result<String, Failed> {
        let Some(create) = &self.load().create else {
            return Ok(self.record.key.clone());
        };
        let header = create
            .idempotency_header
            .clone()
            .zip(self.idempotency_key());
        let answer = self
            .write(&create.request, None, header.into_iter().collect())
            .await?;
        self.known.etag = self.etag(&answer);
        let Some(id) = &create.id else {
            return Ok(self.record.key.clone());
        };
        let id = self.id_in(&answer, id).map_err(Failed::with_effect)?;
        id.ok_or_else(|| {
            let message = "the answer to a create has no id where load.create.id looks for it";
            Failed::with_effect(Failure::new(FailureClass::Invalid, message.into()))
        })
    }

    /// Changes or deletes the record.
    pub(crate) async fn change(&mut self, change: &UpdateRequest, id: &str) -> Result<(), Failed> {
        let condition = self
            .known
            .etag
            .as_ref()
            .filter(|_| change.if_match.is_some());
        let condition = condition.and_then(|etag| HeaderValue::from_str(etag).ok());
        let headers = condition
            .map(|etag| (header::IF_MATCH, etag))
            .into_iter()
            .collect();
        let answer = self.write(&change.request, Some(id), headers).await?;
        self.known.etag = self.etag(&answer);
        Ok(())
    }

    /// The entity tag of what is where the record would be changed.
    pub(crate) async fn current_etag(
        &self,
        change: &UpdateRequest,
        id: &str,
    ) -> Result<Option<String>, Failed> {
        let call = self
            .call(&change.request, Some(id))
            .map_err(Failed::without_effect)?;
        let label = format!(
            "GET {}",
            call.label.split_once(' ').map_or("", |(_, path)| path)
        );
        let call = OutgoingRequest {
            method: Method::GET,
            label: &label,
            body: None,
            ..call
        };
        let client = self.destination.client().map_err(Failed::without_effect)?;
        let answer = client.send(call).await.map_err(Failed::without_effect)?;
        Ok(self.etag(&answer))
    }

    fn idempotency_key(&self) -> Option<HeaderValue> {
        let flow = &self.destination.flow.name;
        let key = idempotency::key(flow, &self.record.key, self.hash, self.known.incarnation);
        HeaderValue::from_str(&key).ok()
    }

    async fn write(
        &self,
        request: &RequestTemplate,
        id: Option<&str>,
        headers: HeaderMap,
    ) -> Result<Response, Failed> {
        let mut call = self.call(request, id).map_err(Failed::without_effect)?;
        if call.body.is_none() && self.record.op == Operation::Upsert {
            call.body = Some(Bytes::copy_from_slice(self.record.data.get().as_bytes()));
        }
        call.headers.extend(headers);
        call.needs_body = false;
        let client = self.destination.client().map_err(Failed::without_effect)?;
        let sent = client.send(call).await;
        sent.map_err(|failure| Failed {
            effect: self.effect(&failure, id),
            failure,
        })
    }

    /// That a destination did nothing which says that it failed is only likely. Where finding out is cheap it
    /// is found out, as whatever is done to a record whose id is known: that can be done again. Where it is
    /// impossible the likely is taken for true.
    pub(crate) fn effect(&self, failure: &Failure, id: Option<&str>) -> RequestEffect {
        match failure.effect {
            RequestEffect::Unlikely if id.is_none() && !self.can_tell() => RequestEffect::None,
            effect => effect,
        }
    }

    /// Whether it can be found out if a create took place, or does not matter.
    pub(crate) fn can_tell(&self) -> bool {
        let means = self.case.means;
        means.lookup || means.repeats != Repeats::Never || (means.id_is_key && means.updates)
    }

    fn call<'b>(
        &'b self,
        request: &'b RequestTemplate,
        id: Option<&str>,
    ) -> Result<OutgoingRequest<'b>, Failure> {
        let record = if request.needs_input() {
            self.parsed()?
        } else {
            Value::Null
        };
        let call = self.destination.client()?.prepare(
            request,
            &self.load().answers,
            &record,
            &self.variables(id),
        )?;
        Ok(OutgoingRequest {
            permit: self.permit,
            ..call
        })
    }

    /// An answer's entity tag, where the flow has a use for it.
    fn etag(&self, answer: &Response) -> Option<String> {
        let etag = answer
            .headers
            .get(header::ETAG)
            .filter(|_| self.destination.keeps_etags())?;
        Some(etag.to_str().ok()?.to_owned())
    }

    /// Whether what is at that URL is the record of that id, and not a list that it was found in.
    fn is_at(&self, url: &Url, id: &str) -> bool {
        let changes = [&self.load().update, &self.load().delete];
        let is_at = |change: &UpdateRequest| {
            self.call(&change.request, Some(id))
                .is_ok_and(|call| call.url == *url)
        };
        changes.into_iter().flatten().any(is_at)
    }

    fn id_in(&self, answer: &Response, id: &Expression) -> Result<Option<String>, Failure> {
        // A page that says "we are moving house", for example, with the wrong status. It passes.
        let body = answer.value(None).map_err(|error| {
            Failure::new(
                FailureClass::Transient,
                format!("the answer cannot be read: {error}"),
            )
        })?;
        read_id(id, body, &self.variables(None))
    }

    /// The record's data.
    pub(crate) fn parsed(&self) -> Result<Value, Failure> {
        if let Some(value) = self.parsed.get() {
            return Ok(value.clone());
        }
        let value = read(self.record.data.get().as_bytes()).map_err(|error| {
            Failure::new(
                FailureClass::Invalid,
                format!("the record is not JSON: {error}"),
            )
        })?;
        Ok(self.parsed.get_or_init(|| value).clone())
    }

    fn variables(&self, id: Option<&str>) -> Variables {
        let text = |text: &str| Value::from(text.to_owned());
        Variables {
            key: text(&self.record.key),
            version: given(self.record.version.as_str(), self.record.version.is_text()),
            op: text(self.record.op.as_str()),
            id: id.map_or(Value::Null, text),
            flow: text(&self.destination.flow.name),
            run: text(&self.batch.run.to_string()),
            ..Variables::default()
        }
    }
}

/// The id that an expression finds in an answer; none where it finds null.
pub(crate) fn read_id(
    id: &Expression,
    answer: Value,
    variables: &Variables,
) -> Result<Option<String>, Failure> {
    let invalid = |message: String| Failure::new(FailureClass::Invalid, message);
    let id = id
        .one(answer, variables)
        .map_err(|error| invalid(format!("reading the id from the answer: {}", error.message)))?;
    match (&id, scalar_name(&id)) {
        (Value::Null, _) => Ok(None),
        (_, Some(id)) if !id.is_empty() => Ok(Some(id)),
        _ => Err(invalid(
            "the id in the answer is neither text nor a number".into(),
        )),
    }
}

impl Destination {
    /// Whether entity tags are remembered and sent.
    pub(crate) fn keeps_etags(&self) -> bool {
        let changes = [&self.requests.update, &self.requests.delete];
        changes
            .into_iter()
            .flatten()
            .any(|change| change.if_match.is_some())
    }
}
