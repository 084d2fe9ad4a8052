//! Compiling `extract.webhook.delivery`: the id that recognises repeated deliveries.

use http::HeaderName;
use pomost_expression::Expression;
use pomost_models::{
    Period,
    webhook::{DEFAULT_REMEMBERED_FOR, DeliverySection, VerifySection, WebhookSection},
};

use super::{FileCompiler, SECTION, header, refused};
use crate::webhook::{DeliveryIdPlace, DeliveryRules};

pub(super) fn delivery(
    compiler: &mut FileCompiler<'_>,
    section: &WebhookSection,
) -> Option<Option<DeliveryRules>> {
    let pointer = format!("{SECTION}/delivery");
    let Some(DeliverySection {
        header: name,
        value,
        remember,
    }) = &section.delivery
    else {
        let known = id_of_provider(&section.verify);
        return Some(known.map(|id| DeliveryRules {
            id,
            remember: DEFAULT_REMEMBERED_FOR,
        }));
    };
    let id = match (name, value) {
        (Some(name), None) => {
            header(compiler, &format!("{pointer}/header"), name).map(DeliveryIdPlace::Header)
        }
        (None, Some(value)) => compiler
            .expression(&format!("{pointer}/value"), value)
            .map(DeliveryIdPlace::Value),
        (None, None) => id_of_provider(&section.verify).or_else(|| {
            refused(
                compiler,
                &pointer,
                "expected 'header' or 'value': where the delivery's id is",
            )
        }),
        _ => refused(
            compiler,
            &pointer,
            "expected either 'header' or 'value', not both",
        ),
    };
    check_remember(compiler, section, *remember);
    Some(Some(DeliveryRules {
        id: id?,
        remember: remember.0,
    }))
}

/// Checks that ids are remembered as long as a repeated delivery would be accepted: for the
/// tolerance before and after the time of signing.
fn check_remember(compiler: &mut FileCompiler<'_>, section: &WebhookSection, remember: Period) {
    let tolerance = match &section.verify {
        VerifySection::Stripe(section) | VerifySection::StandardWebhooks(section) => {
            section.tolerance
        }
        VerifySection::Hmac(section) if section.timestamp.is_some() => section.tolerance,
        _ => {
            return compiler
                .check_not_zero(&format!("{SECTION}/delivery/remember"), Some(remember.0));
        }
    };
    if remember.0 < tolerance.0.saturating_mul(2) {
        compiler.refuse(
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
