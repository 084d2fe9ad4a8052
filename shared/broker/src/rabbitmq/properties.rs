//! A message and its properties, as RabbitMQ carries them.

use std::time::{SystemTime, UNIX_EPOCH};

use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};
use pomost_models::dead_letter::DEAD_LETTERS_TYPE;

use super::topology::BrokerTopology;
use crate::{Error, Message, Queue, Result};

/// Delivery mode 2: written to disk.
const PERSISTENT: u8 = 2;

const TRACEPARENT: &str = "traceparent";

/// The longest text in a name or a property of AMQP, in bytes.
const LONGEST_SHORT_STRING: usize = 255;

/// A name on the broker. Lapin panics on a name that is too long, so it is an error here.
pub(super) fn name(text: &str) -> Result<ShortString> {
    ShortString::try_new(text).map_err(|_| Error::Settings {
        reason: format!(
            "the name {text} has more than {LONGEST_SHORT_STRING} bytes; \
             choose a shorter POMOST_NAMESPACE or a shorter name for the flow"
        ),
    })
}

/// The properties to publish a message with.
pub(super) fn properties_of(message: &Message) -> BasicProperties {
    let properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into())
        .with_type(shortened(&message.kind))
        .with_message_id(shortened(&message.id))
        .with_timestamp(seconds_since_1970());
    match &message.traceparent {
        Some(traceparent) => properties.with_headers(trace_headers(traceparent)),
        None => properties,
    }
}

/// The message in a delivery. A missing property gives an empty text.
pub(super) fn message_of(properties: &BasicProperties, body: Vec<u8>) -> Message {
    let text = |property: &Option<ShortString>| {
        property
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    Message {
        id: text(properties.message_id()),
        kind: text(properties.kind()),
        body: body.into(),
        traceparent: header(properties, TRACEPARENT)
            .and_then(text_of)
            .map(str::to_owned),
    }
}

/// The queue that RabbitMQ took a message from because of the delivery limit.
///
/// Messages that services publish to the dead letters have no history of deaths. Messages that
/// waited in a delay have one, with other reasons.
pub(super) fn poisoned(
    queue: &Queue,
    properties: &BasicProperties,
    topology: &BrokerTopology,
) -> Option<Queue> {
    let written_by_a_service = properties
        .kind()
        .as_ref()
        .is_some_and(|kind| kind.as_str() == DEAD_LETTERS_TYPE);
    if *queue != Queue::Dead || written_by_a_service {
        return None;
    }
    let AMQPValue::FieldArray(deaths) = header(properties, "x-death")? else {
        return None;
    };
    let origin = deaths
        .as_slice()
        .iter()
        .find_map(queue_of_death_by_delivery_limit)?;
    topology.without_namespace(origin).parse().ok()
}

fn queue_of_death_by_delivery_limit(death: &AMQPValue) -> Option<&str> {
    let AMQPValue::FieldTable(death) = death else {
        return None;
    };
    let field = |name: &str| death.inner().get(name).and_then(text_of);
    if field("reason") == Some("delivery_limit") {
        field("queue")
    } else {
        None
    }
}

fn header<'a>(properties: &'a BasicProperties, name: &str) -> Option<&'a AMQPValue> {
    properties.headers().as_ref()?.inner().get(name)
}

fn text_of(value: &AMQPValue) -> Option<&str> {
    match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str()),
        _ => None,
    }
}

/// The trace context is a string and not bytes: readers of trace contexts drop bytes.
fn trace_headers(traceparent: &str) -> FieldTable {
    let mut headers = FieldTable::default();
    headers.insert(
        TRACEPARENT.into(),
        AMQPValue::LongString(traceparent.into()),
    );
    headers
}

/// The beginning of a text that is too long for a property. Ids are for people, who need no more.
fn shortened(text: &str) -> ShortString {
    let mut end = text.len().min(LONGEST_SHORT_STRING);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].into()
}

fn seconds_since_1970() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use pomost_models::Stage;

    use super::*;
    use crate::QueueLimits;

    fn with_death(kind: &str, reason: &str) -> BasicProperties {
        let mut death = FieldTable::default();
        death.insert("reason".into(), AMQPValue::LongString(reason.into()));
        death.insert(
            "queue".into(),
            AMQPValue::LongString("pomost.load.customers".into()),
        );
        let mut headers = FieldTable::default();
        headers.insert(
            "x-death".into(),
            AMQPValue::FieldArray(vec![AMQPValue::FieldTable(death)].into()),
        );
        BasicProperties::default()
            .with_type(kind.into())
            .with_headers(headers)
    }

    fn poisoned_in(queue: Queue, properties: &BasicProperties) -> Option<Queue> {
        poisoned(
            &queue,
            properties,
            &BrokerTopology::new("pomost", QueueLimits::default()),
        )
    }

    #[test]
    fn only_a_death_by_delivery_limit_is_poison() {
        let limit = with_death("pomost.batch.v1", "delivery_limit");
        assert_eq!(
            poisoned_in(Queue::Dead, &limit),
            Some(Queue::work(Stage::Load, "customers"))
        );
        assert_eq!(
            poisoned_in(Queue::Dead, &with_death("pomost.batch.v1", "expired")),
            None
        );
        assert_eq!(poisoned_in(Queue::Dead, &BasicProperties::default()), None);
    }

    #[test]
    fn dead_letters_that_a_service_wrote_are_not_poison() {
        assert_eq!(
            poisoned_in(
                Queue::Dead,
                &with_death(DEAD_LETTERS_TYPE, "delivery_limit")
            ),
            None
        );
    }

    #[test]
    fn a_long_id_is_shortened_between_characters() {
        let id = format!("x{}", "ł".repeat(200));
        let message = Message {
            id: id.clone(),
            kind: String::new(),
            body: "".into(),
            traceparent: None,
        };
        let read = message_of(&properties_of(&message), Vec::new());
        assert!(read.id.len() <= 255 && id.starts_with(&read.id));
    }

    #[test]
    fn a_long_name_is_an_error_and_not_a_panic() {
        assert!(
            name(&"x".repeat(256))
                .unwrap_err()
                .to_string()
                .contains("POMOST_NAMESPACE")
        );
    }
}
