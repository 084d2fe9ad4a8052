//! Carrying out what was decided for one record.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::HeaderValue;
use pomost_expression::{Value, Variables, read, text};
use pomost_http::{Answer as HttpAnswer, Call, Class, Client, Failure};
use pomost_models::{Op, Outcome, Record, RunId};
use pomost_project::{Flow, flow::Request};

use crate::decide::{Means, Step, after_lookup};

/// Where a flow's records go.
#[derive(Clone)]
pub struct Destination {
    /// The system's client.
    pub client: Client,
    /// The flow.
    pub flow: Arc<Flow>,
}

/// How acting on a record ended.
#[derive(Debug)]
pub enum End {
    /// The destination is as the record wants it, under this id (none after a delete).
    Applied {
        /// How the record settles.
        outcome: Outcome,
        /// The destination's id of it.
        id: Option<String>,
    },
    /// Nothing was done, as decided beforehand.
    Left(Outcome),
    /// Nothing was done: another worker is at it, or time ran out. It is to come again shortly.
    NotNow,
    /// The destination may have the record, and nothing can tell.
    InDoubt,
    /// A request failed.
    Failed {
        /// How.
        failure: Failure,
        /// Whether the destination may have changed all the same.
        in_doubt: bool,
    },
}

impl Destination {
    /// What the flow has for finding out whether a create took place.
    pub fn means(&self) -> Means {
        Means {
            lookup: self.flow.load.lookup.is_some(),
            idempotent: self.flow.load.create.idempotency_header.is_some(),
        }
    }

    /// Acts on one record, beginning with `step`.
    pub async fn act(&self, run: RunId, record: &Record, idempotency_key: &str, step: Step) -> End {
        let act = Act { destination: self, run, record, idempotency_key, parsed: OnceLock::new() };
        act.carry_out(step).await
    }
}

struct Act<'a> {
    destination: &'a Destination,
    run: RunId,
    record: &'a Record,
    idempotency_key: &'a str,
    parsed: OnceLock<Value>,
}

impl Act<'_> {
    async fn carry_out(&self, step: Step) -> End {
        match step {
            Step::Leave(outcome) => End::Left(outcome),
            Step::Wait => End::NotNow,
            Step::Refuse => End::InDoubt,
            Step::Create => self.create_or_update().await,
            Step::Update(id) => self.update_or_recreate(id).await,
            Step::Delete(id) => self.delete(&id).await,
            Step::LookUp => self.look_up_and_act().await,
        }
    }

    /// A create that the destination refuses because it has the record becomes an update, where the
    /// record can be found.
    async fn create_or_update(&self) -> End {
        match self.create().await {
            Err(Failed { failure, .. })
                if failure.class == Class::Conflict && self.load().lookup.is_some() =>
            {
                match self.look_up().await {
                    Ok(Some(id)) => applied(Outcome::Updated, self.update(&id).await.map(|()| Some(id))),
                    Ok(None) => Failed { failure, in_doubt: false }.into(),
                    Err(failed) => failed.into(),
                }
            }
            created => applied(Outcome::Created, created.map(Some)),
        }
    }

    /// A record that somebody deleted at the destination is made there again.
    async fn update_or_recreate(&self, id: String) -> End {
        match self.update(&id).await {
            Err(Failed { failure, .. }) if failure.class == Class::Gone => self.create_or_update().await,
            updated => applied(Outcome::Updated, updated.map(|()| Some(id))),
        }
    }

    async fn look_up_and_act(&self) -> End {
        match self.look_up().await.map(|found| after_lookup(self.record.op, found)) {
            // Looked up and not there: the destination is as the record wants it.
            Ok(Step::Leave(outcome)) => End::Applied { outcome, id: None },
            Ok(Step::Update(id)) => self.update_or_recreate(id).await,
            Ok(Step::Delete(id)) => self.delete(&id).await,
            Ok(_) => self.create_or_update().await,
            Err(failed) => failed.into(),
        }
    }

    async fn delete(&self, id: &str) -> End {
        let Some(request) = &self.load().delete else {
            let message = format!("the flow '{}' has no load.delete", self.destination.flow.name);
            return Failed::without_effect(Failure::new(Class::Invalid, message)).into();
        };
        match self.write(request, Some(id), None).await {
            Err(Failed { failure, .. }) if failure.class == Class::Gone => {
                applied(Outcome::Deleted, Ok(None))
            }
            deleted => applied(Outcome::Deleted, deleted.map(|_| None)),
        }
    }

    async fn create(&self) -> Result<String, Failed> {
        let create = &self.load().create;
        let value = HeaderValue::from_str(self.idempotency_key).ok();
        let header = create.idempotency_header.clone().zip(value);
        let answer = self.write(&create.request, None, header).await?;
        let id = self.id_in(&answer, &create.id).map_err(Failed::with_effect)?;
        id.ok_or_else(|| {
            let message = "the answer to a create has no id where load.create.id looks for it";
            Failed::with_effect(Failure::new(Class::Invalid, message.into()))
        })
    }

    async fn update(&self, id: &str) -> Result<(), Failed> {
        self.write(&self.load().update, Some(id), None).await.map(|_| ())
    }

    async fn look_up(&self) -> Result<Option<String>, Failed> {
        let Some(lookup) = &self.load().lookup else { return Ok(None) };
        let call = self.call(&lookup.request, None).map_err(Failed::without_effect)?;
        match self.destination.client.send(call).await {
            Ok(answer) => self.id_in(&answer, &lookup.id).map_err(Failed::without_effect),
            Err(failure) if failure.class == Class::Gone => Ok(None),
            Err(failure) => Err(Failed::without_effect(failure)),
        }
    }

    async fn write(
        &self,
        request: &Request,
        id: Option<&str>,
        header: Option<(http::HeaderName, HeaderValue)>,
    ) -> Result<HttpAnswer, Failed> {
        let mut call = self.call(request, id).map_err(Failed::without_effect)?;
        if call.body.is_none() && self.record.op == Op::Upsert {
            call.body = Some(Bytes::copy_from_slice(self.record.data.get().as_bytes()));
        }
        call.headers.extend(header);
        let sent = self.destination.client.send(call).await;
        sent.map_err(|failure| Failed { in_doubt: self.leaves_doubt(&failure), failure })
    }

    /// A 500 says that the destination failed; that it did nothing is only likely. Where finding
    /// out is cheap it is found out, where it is impossible the likely is taken for true, and only
    /// silence and gateways (502, 504) leave a doubt.
    fn leaves_doubt(&self, failure: &Failure) -> bool {
        let means = self.destination.means();
        let can_tell = means.lookup || means.idempotent || self.record.op == Op::Delete;
        failure.class.leaves_doubt() && (can_tell || matches!(failure.status, None | Some(502 | 504)))
    }

    fn call<'b>(&'b self, request: &'b Request, id: Option<&str>) -> Result<Call<'b>, Failure> {
        let record = if request.needs_input() { self.parsed()? } else { Value::Null };
        self.destination.client.call(request, &self.load().answers, &record, &self.variables(id))
    }

    fn id_in(
        &self,
        answer: &HttpAnswer,
        id: &pomost_expression::Expression,
    ) -> Result<Option<String>, Failure> {
        let invalid = |message: String| Failure::new(Class::Invalid, message);
        // A page that says "we are moving house", for example, with the wrong status. It passes.
        let body = read(&answer.body)
            .map_err(|error| Failure::new(Class::Transient, format!("the answer is not JSON: {error}")))?;
        let id = id
            .one(body, &self.variables(None))
            .map_err(|error| invalid(format!("reading the id from the answer: {}", error.message)))?;
        match (&id, text(&id)) {
            (Value::Null, _) => Ok(None),
            (_, Some(text)) if !text.is_empty() => Ok(Some(text)),
            _ => Err(invalid("the id in the answer is neither text nor a number".into())),
        }
    }

    fn parsed(&self) -> Result<Value, Failure> {
        if let Some(value) = self.parsed.get() {
            return Ok(value.clone());
        }
        let value = read(self.record.data.get().as_bytes())
            .map_err(|error| Failure::new(Class::Invalid, format!("the record is not JSON: {error}")))?;
        Ok(self.parsed.get_or_init(|| value).clone())
    }

    fn variables(&self, id: Option<&str>) -> Variables {
        let text = |text: &str| Value::from(text.to_owned());
        Variables {
            key: text(&self.record.key),
            version: text(self.record.version.as_str()),
            op: text(self.record.op.as_str()),
            id: id.map_or(Value::Null, text),
            flow: text(&self.destination.flow.name),
            run: text(&self.run.to_string()),
            ..Variables::default()
        }
    }

    fn load(&self) -> &pomost_project::flow::Load {
        &self.destination.flow.load
    }
}

struct Failed {
    failure: Failure,
    in_doubt: bool,
}

impl Failed {
    fn with_effect(failure: Failure) -> Failed {
        Failed { failure, in_doubt: true }
    }

    fn without_effect(failure: Failure) -> Failed {
        Failed { failure, in_doubt: false }
    }
}

impl From<Failed> for End {
    fn from(failed: Failed) -> End {
        End::Failed { failure: failed.failure, in_doubt: failed.in_doubt }
    }
}

fn applied(outcome: Outcome, result: Result<Option<String>, Failed>) -> End {
    match result {
        Ok(id) => End::Applied { outcome, id },
        Err(failed) => failed.into(),
    }
}
