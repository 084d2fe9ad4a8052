//! Carrying out what was decided for one record.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use pomost_expression::{Expression, Value, Variables, read, text};
use pomost_http::{Answer as HttpAnswer, Call, Class, Client, Failure};
use pomost_models::{Op, Outcome, Record, RunId};
use pomost_project::{
    Flow,
    flow::{Load, Request},
};
use pomost_store::{Answer, Known, ledger::ContentHash};

use crate::{
    decide::{Case, Means, Step},
    idempotency,
};

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
    /// The destination is as the record wants it.
    Applied {
        /// How the record settles.
        outcome: Outcome,
        /// What is known of it there.
        known: Known,
    },
    /// Nothing was done: another worker is at it, or time ran out. It is to come again shortly.
    NotNow,
    /// Nothing was done: the destination may have the record.
    InDoubt {
        /// Whether somebody else may find out, so that it is worth trying again.
        may_clear: bool,
    },
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

    /// Acts on a record of this content, as the ledger's answer allows.
    pub async fn act(&self, run: RunId, record: &Record, hash: &ContentHash, answer: &Answer) -> End {
        let case = Case::new(record.op, hash, answer, self.means());
        let known = answer.known().cloned().unwrap_or_default();
        let (looked, refused, parsed) = (false, None, OnceLock::new());
        let act = Act { destination: self, run, record, hash, case, known, looked, refused, parsed };
        act.carry_out(case.first(answer)).await
    }
}

/// One record at work.
struct Act<'a> {
    destination: &'a Destination,
    run: RunId,
    record: &'a Record,
    hash: &'a ContentHash,
    case: Case,
    /// What is known of it at the destination by now.
    known: Known,
    /// Whether it has been looked up.
    looked: bool,
    /// A create that the destination refused because it has the record.
    refused: Option<Failed>,
    parsed: OnceLock<Value>,
}

/// Where a step leads.
enum Next {
    Step(Step),
    End(End),
}

impl Act<'_> {
    /// Each step leads to an end, or to one that was not taken before: a look-up is made once, and
    /// only a look-up leads back.
    async fn carry_out(mut self, first: Step) -> End {
        let mut step = first;
        loop {
            match self.take(step).await {
                Next::Step(next) => step = next,
                Next::End(end) => return end,
            }
        }
    }

    async fn take(&mut self, step: Step) -> Next {
        let end = match step {
            Step::Leave(outcome) => self.applied(outcome, None),
            Step::Wait => End::NotNow,
            Step::Await => End::InDoubt { may_clear: true },
            Step::Refuse => End::InDoubt { may_clear: false },
            Step::LookUp => return self.look_up().await,
            Step::Create => return self.create().await,
            Step::Update(id) => return self.update(id).await,
            Step::Delete(id) => return self.delete(&id).await,
        };
        Next::End(end)
    }

    async fn look_up(&mut self) -> Next {
        let found = match self.found().await {
            Ok(found) => found,
            Err(failure) => return Failed::without_effect(failure).into(),
        };
        self.looked = true;
        match (found, self.refused.take()) {
            (None, Some(refused)) => refused.into(),
            (found, _) => Next::Step(self.case.after_lookup(found)),
        }
    }

    /// A create that the destination refuses because it has the record becomes an update, where the
    /// record can be found.
    async fn create(&mut self) -> Next {
        match self.created().await {
            Ok(id) => Next::End(self.applied(Outcome::Created, Some(id))),
            Err(failed) if failed.is(Class::Conflict) && self.case.means.lookup && !self.looked => {
                self.refused = Some(failed);
                Next::Step(Step::LookUp)
            }
            Err(failed) => failed.into(),
        }
    }

    async fn update(&mut self, id: String) -> Next {
        match self.write(&self.load().update, Some(&id), None).await {
            Ok(_) => Next::End(self.applied(Outcome::Updated, Some(id))),
            Err(failed) if failed.is(Class::Gone) => self.gone(failed),
            Err(failed) => failed.into(),
        }
    }

    async fn delete(&mut self, id: &str) -> Next {
        let Some(request) = &self.load().delete else {
            let message = format!("the flow '{}' has no load.delete", self.destination.flow.name);
            return Failed::without_effect(Failure::new(Class::Invalid, message)).into();
        };
        match self.write(request, Some(id), None).await {
            Ok(_) => {
                self.known.incarnation += 1;
                Next::End(self.applied(Outcome::Deleted, None))
            }
            Err(failed) if failed.is(Class::Gone) => self.gone(failed),
            Err(failed) => failed.into(),
        }
    }

    /// What a look-up has just found cannot be gone: the destination's index lags behind, and what
    /// it says next time will tell.
    fn gone(&mut self, failed: Failed) -> Next {
        if self.looked {
            let message = format!("{}, though the look-up found it", failed.failure.message);
            let failure = Failure { class: Class::Transient, message, ..failed.failure };
            return Failed::without_effect(failure).into();
        }
        self.known = Known { incarnation: self.known.incarnation + 1, ..Known::default() };
        Next::Step(self.case.after_gone())
    }

    fn applied(&self, outcome: Outcome, id: Option<String>) -> End {
        End::Applied { outcome, known: Known { id, ..self.known.clone() } }
    }

    async fn found(&self) -> Result<Option<String>, Failure> {
        let Some(lookup) = &self.load().lookup else { return Ok(None) };
        let call = self.call(&lookup.request, None)?;
        match self.destination.client.send(call).await {
            Ok(answer) => self.id_in(&answer, &lookup.id),
            Err(failure) if failure.class == Class::Gone => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn created(&self) -> Result<String, Failed> {
        let create = &self.load().create;
        let header = create.idempotency_header.clone().zip(self.idempotency_key());
        let answer = self.write(&create.request, None, header).await?;
        let id = self.id_in(&answer, &create.id).map_err(Failed::with_effect)?;
        id.ok_or_else(|| {
            let message = "the answer to a create has no id where load.create.id looks for it";
            Failed::with_effect(Failure::new(Class::Invalid, message.into()))
        })
    }

    fn idempotency_key(&self) -> Option<HeaderValue> {
        let flow = &self.destination.flow.name;
        let key = idempotency::key(flow, &self.record.key, self.hash, self.known.incarnation);
        HeaderValue::from_str(&key).ok()
    }

    async fn write(
        &self,
        request: &Request,
        id: Option<&str>,
        header: Option<(HeaderName, HeaderValue)>,
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
        let Means { lookup, idempotent } = self.case.means;
        let can_tell = lookup || idempotent || self.record.op == Op::Delete;
        failure.class.leaves_doubt() && (can_tell || matches!(failure.status, None | Some(502 | 504)))
    }

    fn call<'b>(&'b self, request: &'b Request, id: Option<&str>) -> Result<Call<'b>, Failure> {
        let record = if request.needs_input() { self.parsed()? } else { Value::Null };
        self.destination.client.call(request, &self.load().answers, &record, &self.variables(id))
    }

    fn id_in(&self, answer: &HttpAnswer, id: &Expression) -> Result<Option<String>, Failure> {
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

    fn load(&self) -> &Load {
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

    fn is(&self, class: Class) -> bool {
        self.failure.class == class
    }
}

impl From<Failed> for Next {
    fn from(failed: Failed) -> Next {
        Next::End(End::Failed { failure: failed.failure, in_doubt: failed.in_doubt })
    }
}
