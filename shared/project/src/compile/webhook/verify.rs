//! Compiling `extract.webhook.verify`.

use base64::{Engine, engine::general_purpose::STANDARD};
use pomost_expression::Template;
use pomost_models::{
    secret::SecretReference,
    webhook::{BasicSection, HmacSection, TokenSection, VerifySection},
};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use super::{FileCompiler, SECTION, header, providers, refused};
use crate::{
    environment::Environment,
    webhook::{
        BasicVerification, HmacVerification, SignedTimestamp, TokenVerification, Verification,
        WebhookTokenPlace,
    },
};

pub(super) fn verify(
    compiler: &mut FileCompiler<'_>,
    section: &VerifySection,
    environment: &Environment,
) -> Option<Verification> {
    match section {
        VerifySection::Github(section) => {
            providers::github(compiler, section, environment).map(Verification::Hmac)
        }
        VerifySection::Stripe(section) => {
            providers::stripe(compiler, section, environment).map(Verification::Hmac)
        }
        VerifySection::Shopify(section) => {
            providers::shopify(compiler, section, environment).map(Verification::Hmac)
        }
        VerifySection::StandardWebhooks(section) => {
            providers::standard_webhooks(compiler, section, environment).map(Verification::Hmac)
        }
        VerifySection::Hmac(section) => {
            hmac(compiler, section, environment).map(Verification::Hmac)
        }
        VerifySection::Token(section) => {
            token(compiler, section, environment).map(Verification::Token)
        }
        VerifySection::Basic(section) => {
            basic(compiler, section, environment).map(Verification::Basic)
        }
    }
}

fn hmac(
    compiler: &mut FileCompiler<'_>,
    section: &HmacSection,
    environment: &Environment,
) -> Option<HmacVerification> {
    let pointer = format!("{SECTION}/verify/hmac");
    let keys = keys(compiler, "hmac", &section.secrets, environment, raw_key);
    let header = header(compiler, &format!("{pointer}/header"), &section.header);
    let content = match &section.content {
        Some(content) => {
            signed_content(compiler, &format!("{pointer}/content"), &content.0).map(Some)
        }
        None => Some(None),
    };
    let timestamp = compiler.optional(&format!("{pointer}/timestamp"), section.timestamp.as_ref());
    compiler.check_not_zero(&format!("{pointer}/tolerance"), Some(section.tolerance.0));
    if section.timestamp.is_some() && section.content.is_none() {
        compiler.refuse_with_help(
            &format!("{pointer}/timestamp"),
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

fn signed_content(
    compiler: &mut FileCompiler<'_>,
    pointer: &str,
    content: &str,
) -> Option<Template> {
    let content = compiler.template(pointer, 0, content, Template::of_text)?;
    if !content.needs_input() {
        compiler.refuse_with_help(
            pointer,
            "the body is not part of what is signed, so anybody could change it",
            "write {.} where the body stands",
        );
        return None;
    }
    Some(content)
}

fn token(
    compiler: &mut FileCompiler<'_>,
    section: &TokenSection,
    environment: &Environment,
) -> Option<TokenVerification> {
    let pointer = format!("{SECTION}/verify/token");
    let secrets = secrets(
        compiler,
        &format!("{pointer}/secrets"),
        &section.secrets,
        environment,
    );
    let found = match (&section.header, &section.query) {
        (Some(name), None) => header(compiler, &format!("{pointer}/header"), name).map(|name| {
            WebhookTokenPlace::Header {
                name,
                prefix: section.prefix.clone(),
            }
        }),
        (None, Some(name)) if section.prefix.is_empty() => {
            Some(WebhookTokenPlace::Query { name: name.clone() })
        }
        (None, Some(_)) => {
            compiler.refuse(
                &format!("{pointer}/prefix"),
                "only a token in a header has something before it",
            );
            None
        }
        _ => {
            compiler.refuse(
                &pointer,
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
    compiler: &mut FileCompiler<'_>,
    section: &BasicSection,
    environment: &Environment,
) -> Option<BasicVerification> {
    let pointer = format!("{SECTION}/verify/basic");
    let username = compiler.resolve(
        &format!("{pointer}/username"),
        &section.username,
        environment,
    );
    let passwords = secrets(
        compiler,
        &format!("{pointer}/passwords"),
        &section.passwords,
        environment,
    );
    Some(BasicVerification {
        username: username?,
        passwords: passwords?,
    })
}

/// Makes the key of a secret. None where the secret is not written as its kind requires.
type KeyDecoder = fn(&str) -> Option<Vec<u8>>;

pub(super) fn raw_key(secret: &str) -> Option<Vec<u8>> {
    Some(secret.as_bytes().to_vec())
}

pub(super) fn standard_webhooks_key(secret: &str) -> Option<Vec<u8>> {
    STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap_or(secret))
        .ok()
}

pub(super) fn keys(
    compiler: &mut FileCompiler<'_>,
    provider: &str,
    references: &[SecretReference],
    environment: &Environment,
    key_of: KeyDecoder,
) -> Option<Vec<SecretSlice<u8>>> {
    let pointer = format!("{SECTION}/verify/{provider}/secrets");
    let secrets = secrets(compiler, &pointer, references, environment)?;
    let key = |(number, secret): (usize, SecretString)| {
        let key = key_of(secret.expose_secret()).map(SecretSlice::from);
        key.or_else(|| {
            let name = &references[number].0;
            refused(
                compiler,
                &format!("{pointer}/{number}"),
                &format!("{name} is not base64, which stands after whsec_"),
            )
        })
    };
    secrets.into_iter().enumerate().map(key).collect()
}

fn secrets(
    compiler: &mut FileCompiler<'_>,
    pointer: &str,
    references: &[SecretReference],
    environment: &Environment,
) -> Option<Vec<SecretString>> {
    if references.is_empty() {
        return refused(compiler, pointer, "expected at least one");
    }
    let secret = |(number, reference)| {
        compiler.secret(&format!("{pointer}/{number}"), reference, environment)
    };
    let secrets: Vec<Option<SecretString>> = references.iter().enumerate().map(secret).collect();
    secrets.into_iter().collect()
}
