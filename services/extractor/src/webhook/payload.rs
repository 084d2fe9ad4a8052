//! The formats of deliveries.

use http::header;
use pomost_expression::Value;
use pomost_format::{BodyFormat, FormatSyntax, decode};
use pomost_project::webhook::WebhookRules;

use super::{answer::Refusal, received::Received};

/// What a delivery says: one value, or the rows of a format that has such. The format is that of the
/// flow or of the `Content-Type`; JSON where there is neither.
pub(super) fn read(webhook: &WebhookRules, received: &Received) -> Result<Vec<Value>, Refusal> {
    refuse_encoding(received)?;
    let format = format(webhook, received)?;
    let read = decode(&format, None, &received.body);
    read.map(|(rows, _)| rows)
        .map_err(|error| Refusal::Payload(format!("the delivery: {error}")))
}

/// Plain text has rows that only the flow can know of.
fn format(webhook: &WebhookRules, received: &Received) -> Result<BodyFormat, Refusal> {
    let content_type = received.header(&header::CONTENT_TYPE);
    match (&webhook.format, content_type.as_deref()) {
        (Some(format), content_type) => Ok(BodyFormat::of_response(Some(format), content_type)),
        (None, None) => Ok(BodyFormat::default()),
        (None, Some(content_type)) => BodyFormat::of_content_type(content_type)
            .filter(|format| !matches!(format.syntax, FormatSyntax::Text(_)))
            .ok_or_else(|| {
                Refusal::Format("expected Content-Type: application/json, or another format".into())
            }),
    }
}

fn refuse_encoding(received: &Received) -> Result<(), Refusal> {
    match received.header(&header::CONTENT_ENCODING) {
        Some(encoding) if !encoding.eq_ignore_ascii_case("identity") => Err(Refusal::Format(
            "expected a body without Content-Encoding".into(),
        )),
        _ => Ok(()),
    }
}
