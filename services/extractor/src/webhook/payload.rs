//! The format of deliveries: JSON. Another one is another arm here.

use http::header;
use pomost_expression::{Value, read as read_json};

use super::{answer::Refusal, received::Received};

/// What a delivery says, by its `Content-Type`; JSON where it has none.
pub(super) fn read(received: &Received) -> Result<Value, Refusal> {
    refuse_encoding(received)?;
    let content_type = received.header(&header::CONTENT_TYPE).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "" | "application/json" | "text/json" => json(received),
        suffixed if suffixed.ends_with("+json") => json(received),
        _ => Err(Refusal::Format("expected Content-Type: application/json".into())),
    }
}

fn json(received: &Received) -> Result<Value, Refusal> {
    read_json(&received.body).map_err(|error| Refusal::Payload(format!("the delivery: {error}")))
}

fn refuse_encoding(received: &Received) -> Result<(), Refusal> {
    match received.header(&header::CONTENT_ENCODING) {
        Some(encoding) if !encoding.eq_ignore_ascii_case("identity") => {
            Err(Refusal::Format("expected a body without Content-Encoding".into()))
        }
        _ => Ok(()),
    }
}
