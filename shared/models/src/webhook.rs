//! How a source tells of changes by itself: `extract.webhook`.

use std::{borrow::Cow, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{
    ByteSize, Period,
    format::FormatSection,
    system::SecretReference,
    text::{JqExpression, TextTemplate},
};

/// Where a source delivers changes by itself, and how records are read from a delivery. Expressions
/// see the headers of the delivery as `$headers`, their names in lower case.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookSection {
    /// The path that is the flow's own, `/shop/customers`, under the address of webhooks.
    pub path: WebhookPath,
    /// What proves that a delivery comes from the source. Nothing of it is read before.
    pub verify: VerifySection,
    /// What deliveries are written in; left out, what their Content-Type says, or else JSON.
    #[serde(default)]
    pub format: Option<FormatSection>,
    /// The records in a delivery: one output each, of the form that `extract.records` gives; left
    /// out, the delivery is the record, or each of its rows where its format has such.
    #[serde(default)]
    pub records: Option<JqExpression>,
    /// Whether `extract.fetch`, where the flow has it, asks about each of them as about the rows of a
    /// listing; `false` where deliveries are complete.
    #[serde(default = "default_fetch")]
    pub fetch: bool,
    /// A record's primary key; left out, what `extract.key` says.
    #[serde(default)]
    pub key: Option<JqExpression>,
    /// What orders the changes of one key; left out, what `extract.version` says, and without that
    /// the order of arrival.
    #[serde(default)]
    pub version: Option<JqExpression>,
    /// Whether the source deleted the record; left out, what `extract.deleted` says.
    #[serde(default)]
    pub deleted: Option<JqExpression>,
    /// What tells a delivery from others; left out, what the provider named in `verify` sends, and
    /// otherwise nothing does.
    #[serde(default)]
    pub delivery: Option<DeliverySection>,
    /// The largest delivery that is taken.
    #[serde(default = "default_max_body")]
    #[schemars(
        regex(pattern = "^[0-9]{1,6}(KiB|MiB)$"),
        extend("patternErrorMessage" = "expected a number and a unit: 512KiB or 1MiB")
    )]
    pub max_body: ByteSize,
}

fn default_fetch() -> bool {
    true
}

fn default_max_body() -> ByteSize {
    ByteSize(1 << 20)
}

/// What proves that a delivery comes from the source. With several secrets any of them does, so that
/// one can be replaced by the next.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum VerifySection {
    /// As GitHub signs: `X-Hub-Signature-256`.
    Github(SecretsSection),
    /// As Stripe signs: `Stripe-Signature`.
    Stripe(TimedSecretsSection),
    /// As Shopify signs: `X-Shopify-Hmac-SHA256`.
    Shopify(SecretsSection),
    /// As the Standard Webhooks specification says: `webhook-signature`; the secrets are `whsec_…`.
    StandardWebhooks(TimedSecretsSection),
    /// A signature of another kind that is an HMAC (RFC 2104).
    Hmac(HmacSection),
    /// A token that every delivery carries.
    Token(TokenSection),
    /// `Authorization: Basic …` (RFC 7617).
    Basic(BasicSection),
}

/// Secrets that deliveries are signed with.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretsSection {
    /// The secrets, any of which may have signed a delivery.
    pub secrets: Vec<SecretReference>,
}

/// Secrets that deliveries are signed with, together with the time of signing.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimedSecretsSection {
    /// The secrets, any of which may have signed a delivery.
    pub secrets: Vec<SecretReference>,
    /// How far the time of signing may be from now.
    #[serde(default = "default_tolerance")]
    pub tolerance: Period,
}

fn default_tolerance() -> Period {
    Period(Duration::from_secs(300))
}

/// A signature that is an HMAC (RFC 2104).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HmacSection {
    /// The secrets, any of which may have signed a delivery.
    pub secrets: Vec<SecretReference>,
    /// The header that holds the signature, or several of them with commas or spaces between.
    pub header: String,
    /// What stands before the signature, such as `sha256=`.
    #[serde(default)]
    pub prefix: String,
    /// The hash function.
    #[serde(default)]
    pub algorithm: HashAlgorithm,
    /// How the signature is written.
    #[serde(default)]
    pub encoding: SignatureEncoding,
    /// What is signed, where `.` is the body as text: `{$headers["x-time"]}.{.}`; left out, the body.
    #[serde(default)]
    pub content: Option<TextTemplate>,
    /// When it was signed, `$headers["x-time"]`: RFC 3339, or a number of seconds or milliseconds
    /// since 1970.
    #[serde(default)]
    pub timestamp: Option<JqExpression>,
    /// How far that may be from now.
    #[serde(default = "default_tolerance")]
    pub tolerance: Period,
}

/// The hash function of an HMAC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum HashAlgorithm {
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-1, for sources that have no better.
    Sha1,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignatureEncoding {
    /// Hexadecimal digits.
    #[default]
    Hex,
    /// Base64 (RFC 4648 §4).
    Base64,
}

/// A token that every delivery carries in a header or in the query; one of the two is to be named.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenSection {
    /// The tokens, any of which may be sent.
    pub secrets: Vec<SecretReference>,
    /// The header that holds the token.
    #[serde(default)]
    pub header: Option<String>,
    /// What stands before the token in the header, such as `Bearer `.
    #[serde(default)]
    pub prefix: String,
    /// The query parameter that holds the token. Proxies may log it.
    #[serde(default)]
    pub query: Option<String>,
}

/// A user's name and password.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicSection {
    /// The user's name.
    pub username: String,
    /// The passwords, any of which may be sent.
    pub passwords: Vec<SecretReference>,
}

/// What tells a delivery from others, so that one that comes again is not sent on again.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliverySection {
    /// The header that holds the delivery's id.
    #[serde(default)]
    pub header: Option<String>,
    /// The delivery's id in the delivery itself, in the first row where it has several.
    #[serde(default)]
    pub value: Option<JqExpression>,
    /// How long it is remembered.
    #[serde(default = "default_remember")]
    pub remember: Period,
}

fn default_remember() -> Period {
    Period(DEFAULT_REMEMBER)
}

/// How long a delivery is remembered where nothing is said: providers repeat theirs for some days.
pub const DEFAULT_REMEMBER: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A path of URLs: `/shop/customers`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct WebhookPath(pub String);

impl JsonSchema for WebhookPath {
    fn schema_name() -> Cow<'static, str> {
        "WebhookPath".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(/[A-Za-z0-9._~-]+)+$",
            "patternErrorMessage": "expected a path of letters, digits and -._~, such as /shop/customers",
            "description": "A path: /shop/customers.",
        })
    }
}

/// Names a delivery, whatever its sender calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeliveryId(pub [u8; 16]);

impl DeliveryId {
    /// The name of the delivery that its sender calls `text`. It is a hash, so that a sender's ids
    /// cost the same however long they are.
    pub fn of(text: &str) -> DeliveryId {
        let mut id = [0; 16];
        id.copy_from_slice(&Sha256::digest(text)[..16]);
        DeliveryId(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliveries_with_other_ids_have_other_names() {
        assert_eq!(DeliveryId::of("evt_1"), DeliveryId::of("evt_1"));
        assert_ne!(DeliveryId::of("evt_1"), DeliveryId::of("evt_2"));
    }
}
