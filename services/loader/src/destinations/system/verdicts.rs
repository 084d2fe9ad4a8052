//! The verdicts on many records in one answer.

use std::collections::HashMap;

use pomost_expression::{Expression, Value, Variables, name, text, write};
use pomost_http::{Failure, FailureClass, Response};
use pomost_project::flow::BatchRequests;

use super::read_id;
use crate::destinations::{WriteItem, WriteReceipt, WriteResult, with_unknown_effect};

/// The number of characters of a verdict that an error quotes.
const MAX_QUOTED_CHARACTERS: usize = 300;

/// Reads the verdicts in the answer to a request for many records.
pub(super) struct BulkVerdicts<'a> {
    pub(super) response: &'a Response,
    pub(super) batch: &'a BatchRequests,
    /// The expression that finds a new record's id in its verdict.
    pub(super) id: Option<&'a Expression>,
    pub(super) label: &'a str,
    pub(super) variables: Variables,
}

impl BulkVerdicts<'_> {
    /// Returns the result of each item, in their order.
    pub(super) fn results(&self, items: &[WriteItem<'_>]) -> Vec<WriteResult> {
        let Some(results) = &self.batch.results else {
            return items.iter().map(|item| accepted(item, None)).collect();
        };
        let verdicts = self
            .in_answer(results)
            .and_then(|verdicts| self.in_order(items, verdicts));
        match verdicts {
            Ok(verdicts) => (items.iter().zip(verdicts))
                .map(|(item, verdict)| self.result(item, verdict))
                .collect(),
            // The request was carried out, so an answer that cannot be read tells nothing.
            Err(failure) => items
                .iter()
                .map(|_| Err(with_unknown_effect(failure.clone())))
                .collect(),
        }
    }

    fn in_answer(&self, results: &Expression) -> Result<Vec<Value>, Failure> {
        // It may be a page that says "we are moving house", with the wrong status: that passes.
        let body = self.response.value(None).map_err(|error| {
            Failure::new(
                FailureClass::Transient,
                format!("{}: the answer cannot be read: {error}", self.label),
            )
        })?;
        let found = results.outputs(body, &self.variables);
        found.map_err(|error| self.invalid(format!("load.batch.results: {}", error.message)))
    }

    /// Returns the verdict on each item, where there is one.
    fn in_order(
        &self,
        items: &[WriteItem<'_>],
        verdicts: Vec<Value>,
    ) -> Result<Vec<Option<Value>>, Failure> {
        let Some(key) = &self.batch.key else {
            return match verdicts.len() == items.len() {
                true => Ok(verdicts.into_iter().map(Some).collect()),
                false => {
                    let counts = format!("{} verdicts on {} records", verdicts.len(), items.len());
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
        Ok(items
            .iter()
            .map(|item| verdicts.remove(&item.claimed.record.key))
            .collect())
    }

    fn result(&self, item: &WriteItem<'_>, verdict: Option<Value>) -> WriteResult {
        let Some(verdict) = verdict else {
            let failure = self.invalid("the answer has no verdict on the record".into());
            return Err(with_unknown_effect(failure));
        };
        match self.refusal(&verdict) {
            Ok(None) => self.accepted(item, verdict),
            Ok(Some(refusal)) => Err(refusal),
            Err(unreadable) => Err(with_unknown_effect(unreadable)),
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

    fn accepted(&self, item: &WriteItem<'_>, verdict: Value) -> WriteResult {
        let Some(expression) = self.id else {
            return accepted(item, None);
        };
        let id = read_id(expression, verdict, &self.variables).map_err(with_unknown_effect)?;
        if id.is_none() {
            let message = "the verdict on a create has no id where load.create.id looks for it";
            return Err(with_unknown_effect(self.invalid(message.into())));
        }
        accepted(item, id)
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
        let said = self.response.without_secrets(&said);
        Failure {
            answer: said.chars().take(MAX_QUOTED_CHARACTERS).collect(),
            ..Failure::new(class, message)
        }
    }

    fn invalid(&self, message: String) -> Failure {
        Failure::new(FailureClass::Invalid, format!("{}: {message}", self.label))
    }
}

/// The receipt for one of many records. Requests for many records name no entity tags, so that the
/// one that is known stays.
fn accepted(item: &WriteItem<'_>, id: Option<String>) -> WriteResult {
    Ok(WriteReceipt {
        id,
        etag: item.known.etag.clone(),
    })
}
