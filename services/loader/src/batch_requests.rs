//! Requests for many records, and the verdicts in their answers.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use pomost_expression::{Expression, Value, Variables, given, name, text, write};
use pomost_http::{Failure, FailureClass, OutgoingRequest, Response, SystemClient};
use pomost_project::{
    flow::{self, SystemDestination},
    request::RequestTemplate,
};

use crate::{
    act::Failed,
    many::{Kind, Many, Row, Written},
    request::read_id,
};

/// How much of a verdict an error quotes, in characters.
const QUOTED: usize = 300;

/// Makes a flow's requests for many records.
pub(crate) struct BatchRequests {
    /// The system's client.
    pub(crate) client: SystemClient,
    /// The flow's name.
    pub(crate) flow: String,
    /// How the flow writes.
    pub(crate) requests: Arc<SystemDestination>,
}

#[async_trait]
impl Many for BatchRequests {
    fn takes(&self, kind: Kind) -> Option<usize> {
        self.load()
            .batch_for(self.request(kind)?)
            .map(|batch| batch.size)
    }

    async fn write(&self, kind: Kind, rows: &[Row<'_>]) -> Result<Vec<Written>, Failure> {
        let (Some(request), Some(batch)) = (self.request(kind), &self.load().batch) else {
            return Ok(Vec::new());
        };
        let sent = self.client.send(self.call(request, rows)?).await;
        let answer = sent.map_err(|failure| of_no_record(kind, failure))?;
        let created = self.load().create.as_ref().filter(|_| kind == Kind::Create);
        let id = created.and_then(|create| create.id.as_ref());
        let (label, variables) = (&request.label, self.variables());
        Ok(Verdicts {
            answer: &answer,
            batch,
            id,
            label,
            variables,
        }
        .of_each(rows))
    }
}

impl BatchRequests {
    fn request(&self, kind: Kind) -> Option<&RequestTemplate> {
        let load = self.load();
        match kind {
            Kind::Create => load.create.as_ref().map(|create| &create.request),
            Kind::Update => load.update.as_ref().map(|update| &update.request),
            Kind::Delete => load.delete.as_ref().map(|delete| &delete.request),
        }
    }

    fn call<'a>(
        &'a self,
        request: &'a RequestTemplate,
        rows: &[Row<'a>],
    ) -> Result<OutgoingRequest<'a>, Failure> {
        let input = if request.needs_input() {
            list(rows)?
        } else {
            Value::Null
        };
        let mut call =
            self.client
                .prepare(request, &self.load().answers, &input, &self.variables())?;
        call.body = call.body.or_else(|| Some(mapped(rows)));
        call.needs_body = false;
        call.permit = rows.first().map(|row| row.act.permit).unwrap_or_default();
        Ok(call)
    }

    fn variables(&self) -> Variables {
        Variables {
            flow: Value::from(self.flow.clone()),
            ..Variables::default()
        }
    }

    fn load(&self) -> &SystemDestination {
        &self.requests
    }
}

/// A place for many records that is not there says nothing about any of them, but where it deletes.
fn of_no_record(kind: Kind, failure: Failure) -> Failure {
    match failure.class {
        FailureClass::Gone if kind != Kind::Delete => Failure {
            class: FailureClass::Invalid,
            ..failure
        },
        _ => failure,
    }
}

/// The input of a body: `{ key, id, op, version, data }` of each row.
fn list(rows: &[Row<'_>]) -> Result<Value, Failure> {
    let value = |text: &str| Value::from(text.to_owned());
    let entry = |row: &Row<'_>| {
        let record = row.act.record;
        let fields = [
            ("key", value(&record.key)),
            ("id", row.id.map_or(Value::Null, value)),
            ("op", value(record.op.as_str())),
            (
                "version",
                given(record.version.as_str(), record.version.is_text()),
            ),
            ("data", row.act.parsed()?),
        ];
        Ok(Value::obj(
            fields
                .map(|(name, field)| (value(name), field))
                .into_iter()
                .collect(),
        ))
    };
    rows.iter().map(entry).collect()
}

/// The list of the mapped records.
fn mapped(rows: &[Row<'_>]) -> Bytes {
    let records: Vec<&str> = rows.iter().map(|row| row.act.record.data.get()).collect();
    format!("[{}]", records.join(",")).into()
}

/// How the verdicts of one answer are read.
struct Verdicts<'a> {
    answer: &'a Response,
    batch: &'a flow::BatchRequests,
    /// Where a verdict has the id of a new record.
    id: Option<&'a Expression>,
    label: &'a str,
    variables: Variables,
}

impl Verdicts<'_> {
    fn of_each(&self, rows: &[Row<'_>]) -> Vec<Written> {
        let Some(results) = &self.batch.results else {
            return rows.iter().map(|_| Written::Done(None)).collect();
        };
        let verdicts = self
            .results(results)
            .and_then(|verdicts| self.in_order(rows, verdicts));
        match verdicts {
            Ok(verdicts) => verdicts
                .into_iter()
                .map(|verdict| self.written(verdict))
                .collect(),
            Err(failure) => rows.iter().map(|_| unknown(failure.clone())).collect(),
        }
    }

    fn results(&self, results: &Expression) -> Result<Vec<Value>, Failure> {
        // A page that says "we are moving house", for example, with the wrong status. It passes.
        let body = self.answer.value(None).map_err(|error| {
            Failure::new(
                FailureClass::Transient,
                format!("{}: the answer cannot be read: {error}", self.label),
            )
        })?;
        let found = results.outputs(body, &self.variables);
        found.map_err(|error| self.invalid(format!("load.batch.results: {}", error.message)))
    }

    /// Each row's verdict, where it has one.
    fn in_order(
        &self,
        rows: &[Row<'_>],
        verdicts: Vec<Value>,
    ) -> Result<Vec<Option<Value>>, Failure> {
        let Some(key) = &self.batch.key else {
            return match verdicts.len() == rows.len() {
                true => Ok(verdicts.into_iter().map(Some).collect()),
                false => {
                    let counts = format!("{} verdicts on {} records", verdicts.len(), rows.len());
                    Err(self.invalid(format!(
                        "the answer has {counts}, and load.batch.key does not tell them apart"
                    )))
                }
            };
        };
        let keyed = |verdict: Value| {
            Some((
                name(&key.one(verdict.clone(), &self.variables).ok()?)?,
                verdict,
            ))
        };
        let mut verdicts: HashMap<String, Value> = verdicts.into_iter().filter_map(keyed).collect();
        Ok(rows
            .iter()
            .map(|row| verdicts.remove(&row.act.record.key))
            .collect())
    }

    fn written(&self, verdict: Option<Value>) -> Written {
        let Some(verdict) = verdict else {
            return unknown(self.invalid("the answer has no verdict on the record".into()));
        };
        match self.refusal(&verdict) {
            Ok(None) => self.accepted(verdict),
            Ok(Some(failure)) => Written::Failed(Failed {
                effect: failure.effect,
                failure,
            }),
            Err(failure) => unknown(failure),
        }
    }

    fn refusal(&self, verdict: &Value) -> Result<Option<Failure>, Failure> {
        for rule in &self.batch.verdicts {
            let is_about = rule.when.truth(verdict.clone(), &self.variables);
            if is_about
                .map_err(|error| self.invalid(format!("load.batch.verdicts: {}", error.message)))?
            {
                return Ok(
                    FailureClass::meant_by(rule.means).map(|class| self.refused(class, verdict))
                );
            }
        }
        let Some(rejected) = &self.batch.rejected else {
            return Ok(None);
        };
        let rejected = rejected.one(verdict.clone(), &self.variables);
        match rejected
            .map_err(|error| self.invalid(format!("load.batch.rejected: {}", error.message)))?
        {
            Value::Null | Value::Bool(false) => Ok(None),
            Value::Bool(true) => Ok(Some(self.refused(FailureClass::Invalid, verdict))),
            reason => Ok(Some(self.refused(FailureClass::Invalid, &reason))),
        }
    }

    fn accepted(&self, verdict: Value) -> Written {
        let Some(id) = self.id else {
            return Written::Done(None);
        };
        match read_id(id, verdict, &self.variables) {
            Ok(Some(id)) => Written::Done(Some(id)),
            Ok(None) => unknown(self.invalid(
                "the verdict on a create has no id where load.create.id looks for it".into(),
            )),
            Err(failure) => unknown(failure),
        }
    }

    fn refused(&self, class: FailureClass, reason: &Value) -> Failure {
        let message = format!(
            "{}: the verdict on the record means {}",
            self.label,
            class.as_str()
        );
        let said = text(reason)
            .or_else(|| write(reason).ok())
            .unwrap_or_default();
        let said = self.answer.without_secrets(&said);
        Failure {
            answer: said.chars().take(QUOTED).collect(),
            ..Failure::new(class, message)
        }
    }

    fn invalid(&self, message: String) -> Failure {
        Failure::new(FailureClass::Invalid, format!("{}: {message}", self.label))
    }
}

/// What was done is not known: the answer does not say it.
fn unknown(failure: Failure) -> Written {
    Written::Failed(Failed::with_effect(failure))
}
