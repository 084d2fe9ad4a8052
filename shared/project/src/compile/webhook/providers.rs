//! The signatures of known providers.

use http::HeaderName;
use pomost_expression::{Expression, Template};
use pomost_models::{
    Period,
    webhook::{SecretsSection, TimedSecretsSection},
};

use super::{
    FileCompiler, SECTION,
    verify::{keys, raw_key, standard_webhooks_key},
};
use crate::{
    environment::Environment,
    webhook::{HashAlgorithm, HmacVerification, SignatureEncoding, SignedTimestamp},
};

/// <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>
pub(super) fn github(
    compiler: &mut FileCompiler<'_>,
    section: &SecretsSection,
    environment: &Environment,
) -> Option<HmacVerification> {
    Some(HmacVerification {
        keys: keys(compiler, "github", &section.secrets, environment, raw_key)?,
        header: HeaderName::from_static("x-hub-signature-256"),
        prefix: "sha256=".into(),
        algorithm: HashAlgorithm::Sha256,
        encoding: SignatureEncoding::Hex,
        content: None,
        timestamp: None,
    })
}

/// <https://docs.stripe.com/webhooks/signatures>: `t=…,v1=…`, with a `v1` for each secret while a
/// secret is being replaced. With two times it would be open which one was signed.
pub(super) fn stripe(
    compiler: &mut FileCompiler<'_>,
    section: &TimedSecretsSection,
    environment: &Environment,
) -> Option<HmacVerification> {
    const TIME: &str = r#"$headers["stripe-signature"] | split(",")[] | select(startswith("t=")) | ltrimstr("t=")"#;
    let timestamp = signed_at(compiler, "stripe", TIME, section.tolerance);
    Some(HmacVerification {
        keys: keys(compiler, "stripe", &section.secrets, environment, raw_key)?,
        header: HeaderName::from_static("stripe-signature"),
        prefix: "v1=".into(),
        algorithm: HashAlgorithm::Sha256,
        encoding: SignatureEncoding::Hex,
        content: Some(provider_template(&format!("{{{TIME}}}.{{.}}"))),
        timestamp: Some(timestamp),
    })
}

/// <https://shopify.dev/docs/apps/build/webhooks/verify-deliveries>
pub(super) fn shopify(
    compiler: &mut FileCompiler<'_>,
    section: &SecretsSection,
    environment: &Environment,
) -> Option<HmacVerification> {
    Some(HmacVerification {
        keys: keys(compiler, "shopify", &section.secrets, environment, raw_key)?,
        header: HeaderName::from_static("x-shopify-hmac-sha256"),
        prefix: String::new(),
        algorithm: HashAlgorithm::Sha256,
        encoding: SignatureEncoding::Base64,
        content: None,
        timestamp: None,
    })
}

/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>:
/// the id must not contain a dot, or the signed text could be split into id, time and body in other
/// ways.
pub(super) fn standard_webhooks(
    compiler: &mut FileCompiler<'_>,
    section: &TimedSecretsSection,
    environment: &Environment,
) -> Option<HmacVerification> {
    const TIME: &str = r#"$headers["webhook-timestamp"]"#;
    const ID: &str = r#"$headers["webhook-id"] | select(contains(".") | not)"#;
    let timestamp = signed_at(compiler, "standard_webhooks", TIME, section.tolerance);
    Some(HmacVerification {
        keys: keys(
            compiler,
            "standard_webhooks",
            &section.secrets,
            environment,
            standard_webhooks_key,
        )?,
        header: HeaderName::from_static("webhook-signature"),
        prefix: "v1,".into(),
        algorithm: HashAlgorithm::Sha256,
        encoding: SignatureEncoding::Base64,
        content: Some(provider_template(&format!("{{{ID}}}.{{{TIME}}}.{{.}}"))),
        timestamp: Some(timestamp),
    })
}

/// Compiles a template of this file.
fn provider_template(template: &str) -> Template {
    Template::of_text(template).expect("it is a template")
}

fn signed_at(
    compiler: &mut FileCompiler<'_>,
    provider: &str,
    expression: &str,
    tolerance: Period,
) -> SignedTimestamp {
    compiler.check_not_zero(
        &format!("{SECTION}/verify/{provider}/tolerance"),
        Some(tolerance.0),
    );
    let value = Expression::compile(expression).expect("it is jq");
    SignedTimestamp {
        value,
        tolerance: tolerance.0,
    }
}
