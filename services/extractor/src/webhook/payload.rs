//! The payload of a delivery, in any of the formats.

use http::header;
use pomost_expression::Value;
use pomost_format::{BodyFormat, FormatSyntax, decode};
use pomost_project::webhook::WebhookRules;

use super::{request::ReceivedRequest, response::Error};

/// Decodes a delivery into one value, or into the rows of a format that has rows. The flow names
/// the format, or else the `Content-Type`; without either it is JSON.
pub(super) fn read(webhook: &WebhookRules, request: &ReceivedRequest) -> Result<Vec<Value>, Error> {
    refuse_encoding(request)?;
    let format = format(webhook, request)?;
    let read = decode(&format, None, &request.body);
    read.map(|(rows, _)| rows)
        .map_err(|error| Error::Payload(format!("the delivery: {error}")))
}

/// Plain text is accepted only if the flow names it: the flow alone knows what a row of it is.
fn format(webhook: &WebhookRules, request: &ReceivedRequest) -> Result<BodyFormat, Error> {
    let content_type = request.header(&header::CONTENT_TYPE);
    match (&webhook.format, content_type.as_deref()) {
        (Some(format), content_type) => Ok(BodyFormat::of_response(Some(format), content_type)),
        (None, None) => Ok(BodyFormat::default()),
        (None, Some(content_type)) => BodyFormat::of_content_type(content_type)
            .filter(|format| !matches!(format.syntax, FormatSyntax::Text(_)))
            .ok_or_else(|| {
                Error::Format("expected Content-Type: application/json, or another format".into())
            }),
    }
}

fn refuse_encoding(request: &ReceivedRequest) -> Result<(), Error> {
    match request.header(&header::CONTENT_ENCODING) {
        Some(encoding) if !encoding.eq_ignore_ascii_case("identity") => Err(Error::Format(
            "expected a body without Content-Encoding".into(),
        )),
        _ => Ok(()),
    }
}
