//! The reading of a delivery, as pure functions of the request and its flow.

#[cfg(test)]
mod tests;

use pomost_expression::{Value, Variables, scalar_name, write};
use pomost_models::{Record, RunId, Version, webhook::DeliveryId};
use pomost_project::{
    Flow,
    webhook::{DeliveryIdPlace, WebhookRules},
};
use pomost_rows::{RefusedRow, RowRules, fetch_of_webhook};
use serde_json::value::RawValue;

use super::{payload, request::ReceivedRequest, response::Error, verify::verify};

/// A delivery that certainly comes from its source.
#[derive(Debug)]
pub(super) struct VerifiedDelivery {
    /// The run of the hour in which it arrived.
    pub(super) run: RunId,
    /// The delivery's own id, if the flow names its place.
    pub(super) id: Option<DeliveryId>,
    /// Its records, or its rows as they were delivered, if they await their fetch. The intake sets
    /// their slots.
    pub(super) records: Vec<Record>,
    pub(super) refused: Vec<RefusedRow>,
}

impl VerifiedDelivery {
    /// Verifies a delivery, and then reads it.
    pub(super) fn read(
        flow: &Flow,
        webhook: &WebhookRules,
        request: &ReceivedRequest,
    ) -> Result<VerifiedDelivery, Error> {
        verify(&webhook.verify, request)?;
        let payload = payload::read(webhook, request)?;
        let run = RunId::of_webhook(&flow.name, request.received_at);
        let variables = Variables {
            headers: request.headers_for_records(&webhook.verify),
            ..flow.run_variables(run)
        };
        let id = delivery_id(webhook, request, payload.first(), &variables)?;
        let mut delivery = VerifiedDelivery {
            run,
            id,
            records: Vec::new(),
            refused: Vec::new(),
        };
        let reader = RowReader {
            rules: RowRules::of_webhook(flow, webhook),
            headers: kept_headers(flow, webhook, &variables),
            variables: &variables,
        };
        for (number, row) in rows(webhook, payload, &variables)?.into_iter().enumerate() {
            let order = Version::of_extraction(request.arrival, number);
            match reader.read(row, order) {
                Ok(record) => delivery.records.push(record),
                Err(refused) => delivery.refused.push(*refused),
            }
        }
        Ok(delivery)
    }
}

fn rows(
    webhook: &WebhookRules,
    payload: Vec<Value>,
    variables: &Variables,
) -> Result<Vec<Value>, Error> {
    let mut rows = Vec::new();
    for value in payload {
        let found = webhook.records.outputs(value, variables);
        let found = found.map_err(|error| {
            Error::Payload(format!("extract.webhook.records: {}", error.message))
        })?;
        rows.extend(found);
    }
    Ok(rows)
}

/// Makes records of the rows of one delivery.
struct RowReader<'a> {
    rules: RowRules<'a>,
    /// The headers that are kept beside each row for asking about it; `None` if the rows are
    /// complete.
    headers: Option<Box<RawValue>>,
    variables: &'a Variables,
}

impl RowReader<'_> {
    fn read(&self, row: Value, order: Version) -> Result<Record, Box<RefusedRow>> {
        match &self.headers {
            None => {
                pomost_rows::read_row(self.rules, row, order, self.variables).map(|row| row.record)
            }
            Some(headers) => {
                pomost_rows::read_unfetched_row(self.rules, &row, headers, order, self.variables)
            }
        }
    }
}

/// The headers that asking about the rows needs; null if it needs none, since they may be longer
/// than the rows, and `None` if the source is not asked.
fn kept_headers(
    flow: &Flow,
    webhook: &WebhookRules,
    variables: &Variables,
) -> Option<Box<RawValue>> {
    let fetch = fetch_of_webhook(flow, webhook)?;
    let are_needed = RowRules::of_webhook(flow, webhook).uses_variable("headers")
        || fetch.uses_variable("headers");
    let headers = are_needed.then(|| write(&variables.headers).ok()).flatten();
    Some(
        headers
            .and_then(|json| RawValue::from_string(json).ok())
            .unwrap_or_else(|| RawValue::NULL.to_owned()),
    )
}

/// The id of a delivery. Where the flow names its place, a delivery without one is refused: it
/// could be any of those before.
fn delivery_id(
    webhook: &WebhookRules,
    request: &ReceivedRequest,
    first: Option<&Value>,
    variables: &Variables,
) -> Result<Option<DeliveryId>, Error> {
    let Some(delivery) = &webhook.delivery else {
        return Ok(None);
    };
    let (found, place) = match &delivery.id {
        DeliveryIdPlace::Header(name) => (request.header(name), format!("the header {name}")),
        DeliveryIdPlace::Value(value) => {
            let place = "extract.webhook.delivery.value";
            let value = value.one(first.cloned().unwrap_or_default(), variables);
            let value =
                value.map_err(|error| Error::Payload(format!("{place}: {}", error.message)))?;
            (scalar_name(&value), place.to_owned())
        }
    };
    match found.filter(|id| !id.is_empty()) {
        Some(id) => Ok(Some(DeliveryId::of(&id))),
        None => Err(Error::Payload(format!(
            "{place} does not say which delivery this is"
        ))),
    }
}
