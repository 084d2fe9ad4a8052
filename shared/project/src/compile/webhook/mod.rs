//! Compiling `extract.webhook`.

mod delivery;
mod providers;
mod verify;

use http::HeaderName;
use pomost_expression::Expression;
use pomost_models::{flow::ExtractSection, webhook::WebhookSection};

use super::FileCompiler;
use crate::{environment::Environment, webhook::WebhookRules};

const SECTION: &str = "/extract/webhook";

/// The largest delivery, in bytes. Many deliveries are held in memory at a time.
const LARGEST_BODY: u64 = 16 << 20;

/// Compiles the webhook of a flow.
pub(super) fn webhook(
    compiler: &mut FileCompiler<'_>,
    section: &WebhookSection,
    extract: &ExtractSection,
    environment: &Environment,
) -> Option<WebhookRules> {
    let verify = verify::verify(compiler, &section.verify, environment);
    let delivery = delivery::delivery(compiler, section);
    check_sizes(compiler, section);
    let format = compiler.format(&format!("{SECTION}/format"), section.format.as_ref());
    let own = |compiler: &mut FileCompiler<'_>, name, own| {
        compiler.optional(&format!("{SECTION}/{name}"), own)
    };
    let records = own(compiler, "records", section.records.as_ref());
    let key = own(compiler, "key", section.key.as_ref());
    let version = own(compiler, "version", section.version.as_ref());
    let deleted = own(compiler, "deleted", section.deleted.as_ref());
    // Everything is compiled before the first `?`, so that all problems are found.
    let delivery = delivery?;
    check_order(compiler, section, extract, delivery.is_some());
    Some(WebhookRules {
        path: section.path.0.clone(),
        verify: verify?,
        format: format?,
        records: records?.unwrap_or_else(whole_delivery),
        fetch: section.fetch,
        key: key?,
        version: version?,
        deleted: deleted?,
        delivery,
        max_body: usize::try_from(section.max_body.0).ok()?,
    })
}

fn whole_delivery() -> Expression {
    Expression::compile(".").expect("it is jq")
}

fn check_sizes(compiler: &mut FileCompiler<'_>, section: &WebhookSection) {
    if !(1..=LARGEST_BODY).contains(&section.max_body.0) {
        let most = LARGEST_BODY >> 20;
        compiler.refuse(
            &format!("{SECTION}/max_body"),
            format!("expected 1KiB to {most}MiB"),
        );
    }
}

/// Warns where nothing but the arrival orders the records. Then an old delivery that is sent again
/// replaces newer content, unless deliveries have ids or the source is asked.
fn check_order(
    compiler: &mut FileCompiler<'_>,
    section: &WebhookSection,
    extract: &ExtractSection,
    has_id: bool,
) {
    let asks = section.fetch && extract.fetch.is_some() && section.deleted.is_none();
    if !has_id && !asks && section.version.is_none() && extract.version.is_none() {
        compiler.warn(
            SECTION,
            "neither a version nor a delivery's id is given: an old delivery that is sent again would replace what is \
             newer; add version or delivery",
        );
    }
    if section.version.is_some() && extract.version.is_none() {
        compiler.warn(
            &format!("{SECTION}/version"),
            "extract.version is not given: what is delivered and what is read have no common order, and the later \
             one to be loaded stays",
        );
    }
}

fn header(compiler: &mut FileCompiler<'_>, pointer: &str, name: &str) -> Option<HeaderName> {
    let parsed = name.parse().ok();
    parsed.or_else(|| {
        refused(
            compiler,
            pointer,
            "expected the name of a header, such as X-Signature",
        )
    })
}

fn refused<T>(compiler: &mut FileCompiler<'_>, pointer: &str, message: &str) -> Option<T> {
    compiler.refuse(pointer, message);
    None
}
