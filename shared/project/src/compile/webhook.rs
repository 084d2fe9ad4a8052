//! Compiling `extract.webhook`.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderName;
use pomost_expression::{Expression, Template};
use pomost_models::{
    Period,
    flow::ExtractSection,
    secret::SecretReference,
    webhook::{
        BasicSection, DEFAULT_REMEMBER, DeliverySection, HmacSection, SecretsSection,
        TimedSecretsSection, TokenSection, VerifySection, WebhookSection,
    },
};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use super::Compile;
use crate::{
    environment::Environment,
    webhook::{
        BasicVerification, DeliveryIdPlace, DeliveryRules, HashAlgorithm, HmacVerification,
        SignatureEncoding, SignedTimestamp, TokenVerification, Verification, WebhookRules,
        WebhookTokenPlace,
    },
};

const SECTION: &str = "/extract/webhook";

/// The largest delivery, in bytes. Many deliveries are held in memory at a time.
const LARGEST_BODY: u64 = 16 << 20;

/// Compiles the webhook of a flow.
pub(super) fn webhook(
    compile: &mut Compile<'_>,
    section: &WebhookSection,
    extract: &ExtractSection,
    environment: &Environment,
) -> Option<WebhookRules> {
    let verify = verify(compile, &section.verify, environment);
    let delivery = delivery(compile, section);
    check_sizes(compile, section);
    let format = compile.format(&format!("{SECTION}/format"), section.format.as_ref());
    let own =
        |compile: &mut Compile<'_>, name, own| compile.optional(&format!("{SECTION}/{name}"), own);
    let records = own(compile, "records", section.records.as_ref());
    let key = own(compile, "key", section.key.as_ref());
    let version = own(compile, "version", section.version.as_ref());
    let deleted = own(compile, "deleted", section.deleted.as_ref());
    let delivery = delivery?;
    check_order(compile, section, extract, delivery.is_some());
    Some(WebhookRules {
        path: section.path.0.clone(),
        verify: verify?,
        format: format?,
        records: records?.unwrap_or_else(whole),
        fetch: section.fetch,
        key: key?,
        version: version?,
        deleted: deleted?,
        delivery,
        max_body: usize::try_from(section.max_body.0).ok()?,
    })
}

fn whole() -> Expression {
    Expression::compile(".").expect("it is jq")
}

fn check_sizes(compile: &mut Compile<'_>, section: &WebhookSection) {
    if !(1..=LARGEST_BODY).contains(&section.max_body.0) {
        let most = LARGEST_BODY >> 20;
        compile.refuse(
            &format!("{SECTION}/max_body"),
            format!("expected 1KiB to {most}MiB"),
        );
    }
}

/// Warns where nothing but the arrival orders the records. Then an old delivery that is sent again
/// replaces newer content, unless deliveries have ids or the source is asked.
fn check_order(
    compile: &mut Compile<'_>,
    section: &WebhookSection,
    extract: &ExtractSection,
    has_id: bool,
) {
    let asks = section.fetch && extract.fetch.is_some() && section.deleted.is_none();
    if !has_id && !asks && section.version.is_none() && extract.version.is_none() {
        compile.warn(
            SECTION,
            "neither a version nor a delivery's id is given: an old delivery that is sent again would replace what is \
             newer; add version or delivery",
        );
    }
    if section.version.is_some() && extract.version.is_none() {
        compile.warn(
            &format!("{SECTION}/version"),
            "extract.version is not given: what is delivered and what is read have no common order, and the later \
             one to be loaded stays",
        );
    }
}

fn verify(
    compile: &mut Compile<'_>,
    section: &VerifySection,
    environment: &Environment,
) -> Option<Verification> {
    match section {
        VerifySection::Github(section) => {
            github(compile, section, environment).map(Verification::Hmac)
        }
        VerifySection::Stripe(section) => {
            stripe(compile, section, environment).map(Verification::Hmac)
        }
        VerifySection::Shopify(section) => {
            shopify(compile, section, environment).map(Verification::Hmac)
        }
        VerifySection::StandardWebhooks(section) => {
            standard_webhooks(compile, section, environment).map(Verification::Hmac)
        }
        VerifySection::Hmac(section) => hmac(compile, section, environment).map(Verification::Hmac),
        VerifySection::Token(section) => {
            token(compile, section, environment).map(Verification::Token)
        }
        VerifySection::Basic(section) => {
            basic(compile, section, environment).map(Verification::Basic)
        }
    }
}

/// <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>
fn github(
    compile: &mut Compile<'_>,
    section: &SecretsSection,
    environment: &Environment,
) -> Option<HmacVerification> {
    Some(HmacVerification {
        keys: keys(compile, "github", &section.secrets, environment, as_it_is)?,
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
fn stripe(
    compile: &mut Compile<'_>,
    section: &TimedSecretsSection,
    environment: &Environment,
) -> Option<HmacVerification> {
    const TIME: &str = r#"$headers["stripe-signature"] | split(",")[] | select(startswith("t=")) | ltrimstr("t=")"#;
    let timestamp = signed_at(compile, "stripe", TIME, section.tolerance);
    Some(HmacVerification {
        keys: keys(compile, "stripe", &section.secrets, environment, as_it_is)?,
        header: HeaderName::from_static("stripe-signature"),
        prefix: "v1=".into(),
        algorithm: HashAlgorithm::Sha256,
        encoding: SignatureEncoding::Hex,
        content: Some(ours(&format!("{{{TIME}}}.{{.}}"))),
        timestamp: Some(timestamp),
    })
}

/// <https://shopify.dev/docs/apps/build/webhooks/verify-deliveries>
fn shopify(
    compile: &mut Compile<'_>,
    section: &SecretsSection,
    environment: &Environment,
) -> Option<HmacVerification> {
    Some(HmacVerification {
        keys: keys(compile, "shopify", &section.secrets, environment, as_it_is)?,
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
fn standard_webhooks(
    compile: &mut Compile<'_>,
    section: &TimedSecretsSection,
    environment: &Environment,
) -> Option<HmacVerification> {
    const TIME: &str = r#"$headers["webhook-timestamp"]"#;
    const ID: &str = r#"$headers["webhook-id"] | select(contains(".") | not)"#;
    let timestamp = signed_at(compile, "standard_webhooks", TIME, section.tolerance);
    Some(HmacVerification {
        keys: keys(
            compile,
            "standard_webhooks",
            &section.secrets,
            environment,
            of_standard_webhooks,
        )?,
        header: HeaderName::from_static("webhook-signature"),
        prefix: "v1,".into(),
        algorithm: HashAlgorithm::Sha256,
        encoding: SignatureEncoding::Base64,
        content: Some(ours(&format!("{{{ID}}}.{{{TIME}}}.{{.}}"))),
        timestamp: Some(timestamp),
    })
}

/// Compiles a template of this file.
fn ours(template: &str) -> Template {
    Template::of_text(template).expect("it is a template")
}

fn signed_at(
    compile: &mut Compile<'_>,
    provider: &str,
    expression: &str,
    tolerance: Period,
) -> SignedTimestamp {
    compile.check_not_zero(
        &format!("{SECTION}/verify/{provider}/tolerance"),
        Some(tolerance.0),
    );
    let value = Expression::compile(expression).expect("it is jq");
    SignedTimestamp {
        value,
        tolerance: tolerance.0,
    }
}

fn hmac(
    compile: &mut Compile<'_>,
    section: &HmacSection,
    environment: &Environment,
) -> Option<HmacVerification> {
    let place = format!("{SECTION}/verify/hmac");
    let keys = keys(compile, "hmac", &section.secrets, environment, as_it_is);
    let header = header(compile, &format!("{place}/header"), &section.header);
    let content = match &section.content {
        Some(content) => signed_content(compile, &format!("{place}/content"), &content.0).map(Some),
        None => Some(None),
    };
    let timestamp = compile.optional(&format!("{place}/timestamp"), section.timestamp.as_ref());
    compile.check_not_zero(&format!("{place}/tolerance"), Some(section.tolerance.0));
    if section.timestamp.is_some() && section.content.is_none() {
        compile.refuse_with_help(
            &format!("{place}/timestamp"),
            "the time is not part of what is signed, so anybody could change it",
            "say in 'content' what is signed, such as {$headers[\"x-time\"]}.{.}",
        );
        return None;
    }
    Some(HmacVerification {
        keys: keys?,
        header: header?,
        prefix: section.prefix.clone(),
        algorithm: section.algorithm,
        encoding: section.encoding,
        content: content?,
        timestamp: timestamp?.map(|value| SignedTimestamp {
            value,
            tolerance: section.tolerance.0,
        }),
    })
}

fn signed_content(compile: &mut Compile<'_>, pointer: &str, content: &str) -> Option<Template> {
    let content = compile.template(pointer, 0, content, Template::of_text)?;
    if !content.needs_input() {
        compile.refuse_with_help(
            pointer,
            "the body is not part of what is signed, so anybody could change it",
            "write {.} where the body stands",
        );
        return None;
    }
    Some(content)
}

fn token(
    compile: &mut Compile<'_>,
    section: &TokenSection,
    environment: &Environment,
) -> Option<TokenVerification> {
    let place = format!("{SECTION}/verify/token");
    let secrets = secrets(
        compile,
        &format!("{place}/secrets"),
        &section.secrets,
        environment,
    );
    let found = match (&section.header, &section.query) {
        (Some(name), None) => header(compile, &format!("{place}/header"), name).map(|name| {
            WebhookTokenPlace::Header {
                name,
                prefix: section.prefix.clone(),
            }
        }),
        (None, Some(name)) if section.prefix.is_empty() => {
            Some(WebhookTokenPlace::Query { name: name.clone() })
        }
        (None, Some(_)) => {
            compile.refuse(
                &format!("{place}/prefix"),
                "only a token in a header has something before it",
            );
            None
        }
        _ => {
            compile.refuse(
                &place,
                "expected either 'header' or 'query' beside 'secrets'",
            );
            None
        }
    };
    Some(TokenVerification {
        secrets: secrets?,
        place: found?,
    })
}

fn basic(
    compile: &mut Compile<'_>,
    section: &BasicSection,
    environment: &Environment,
) -> Option<BasicVerification> {
    let place = format!("{SECTION}/verify/basic");
    let username = compile.resolve(&format!("{place}/username"), &section.username, environment);
    let passwords = secrets(
        compile,
        &format!("{place}/passwords"),
        &section.passwords,
        environment,
    );
    Some(BasicVerification {
        username: username?,
        passwords: passwords?,
    })
}

fn delivery(compile: &mut Compile<'_>, section: &WebhookSection) -> Option<Option<DeliveryRules>> {
    let place = format!("{SECTION}/delivery");
    let Some(DeliverySection {
        header: name,
        value,
        remember,
    }) = &section.delivery
    else {
        let known = id_of_provider(&section.verify);
        return Some(known.map(|id| DeliveryRules {
            id,
            remember: DEFAULT_REMEMBER,
        }));
    };
    let id = match (name, value) {
        (Some(name), None) => {
            header(compile, &format!("{place}/header"), name).map(DeliveryIdPlace::Header)
        }
        (None, Some(value)) => compile
            .expression(&format!("{place}/value"), value)
            .map(DeliveryIdPlace::Value),
        (None, None) => id_of_provider(&section.verify).or_else(|| {
            refused(
                compile,
                &place,
                "expected 'header' or 'value': where the delivery's id is",
            )
        }),
        _ => refused(
            compile,
            &place,
            "expected either 'header' or 'value', not both",
        ),
    };
    check_remember(compile, section, *remember);
    Some(Some(DeliveryRules {
        id: id?,
        remember: remember.0,
    }))
}

fn refused<T>(compile: &mut Compile<'_>, pointer: &str, message: &str) -> Option<T> {
    compile.refuse(pointer, message);
    None
}

/// Checks that ids are remembered as long as a repeated delivery would be accepted: for the
/// tolerance before and after the time of signing.
fn check_remember(compile: &mut Compile<'_>, section: &WebhookSection, remember: Period) {
    let tolerance = match &section.verify {
        VerifySection::Stripe(section) | VerifySection::StandardWebhooks(section) => {
            section.tolerance
        }
        VerifySection::Hmac(section) if section.timestamp.is_some() => section.tolerance,
        _ => {
            return compile
                .check_not_zero(&format!("{SECTION}/delivery/remember"), Some(remember.0));
        }
    };
    if remember.0 < tolerance.0.saturating_mul(2) {
        compile.refuse(
            &format!("{SECTION}/delivery/remember"),
            "expected at least twice the tolerance: for so long a repeated delivery is still accepted",
        );
    }
}

/// The id that a provider sends with each delivery, and again when it repeats the delivery. The ids
/// of GitHub and Shopify are not signed: they recognise repetitions by the provider, but not by
/// somebody who has seen a delivery.
fn id_of_provider(section: &VerifySection) -> Option<DeliveryIdPlace> {
    match section {
        VerifySection::Github(_) => Some(DeliveryIdPlace::Header(HeaderName::from_static(
            "x-github-delivery",
        ))),
        VerifySection::Shopify(_) => Some(DeliveryIdPlace::Header(HeaderName::from_static(
            "x-shopify-webhook-id",
        ))),
        VerifySection::StandardWebhooks(_) => Some(DeliveryIdPlace::Header(
            HeaderName::from_static("webhook-id"),
        )),
        VerifySection::Stripe(_) => Some(DeliveryIdPlace::Value(
            Expression::compile(".id").expect("it is jq"),
        )),
        VerifySection::Hmac(_) | VerifySection::Token(_) | VerifySection::Basic(_) => None,
    }
}

fn header(compile: &mut Compile<'_>, pointer: &str, name: &str) -> Option<HeaderName> {
    let parsed = name.parse().ok();
    parsed.or_else(|| {
        refused(
            compile,
            pointer,
            "expected the name of a header, such as X-Signature",
        )
    })
}

/// Makes the key of a secret. None where the secret is not written as its kind requires.
type KeyOf = fn(&str) -> Option<Vec<u8>>;

fn as_it_is(secret: &str) -> Option<Vec<u8>> {
    Some(secret.as_bytes().to_vec())
}

fn of_standard_webhooks(secret: &str) -> Option<Vec<u8>> {
    STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap_or(secret))
        .ok()
}

fn keys(
    compile: &mut Compile<'_>,
    provider: &str,
    references: &[SecretReference],
    environment: &Environment,
    key_of: KeyOf,
) -> Option<Vec<SecretSlice<u8>>> {
    let place = format!("{SECTION}/verify/{provider}/secrets");
    let secrets = secrets(compile, &place, references, environment)?;
    let key = |(number, secret): (usize, SecretString)| {
        let key = key_of(secret.expose_secret()).map(SecretSlice::from);
        key.or_else(|| {
            let name = &references[number].0;
            refused(
                compile,
                &format!("{place}/{number}"),
                &format!("{name} is not base64, which stands after whsec_"),
            )
        })
    };
    secrets.into_iter().enumerate().map(key).collect()
}

fn secrets(
    compile: &mut Compile<'_>,
    pointer: &str,
    references: &[SecretReference],
    environment: &Environment,
) -> Option<Vec<SecretString>> {
    if references.is_empty() {
        return refused(compile, pointer, "expected at least one");
    }
    let secret = |(number, reference)| {
        compile.secret(&format!("{pointer}/{number}"), reference, environment)
    };
    let secrets: Vec<Option<SecretString>> = references.iter().enumerate().map(secret).collect();
    secrets.into_iter().collect()
}
