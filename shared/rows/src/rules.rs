//! The expressions of a flow that make records of its source's rows.

use pomost_expression::Expression;
use pomost_models::{BatchId, VersionType};
use pomost_project::{Flow, flow::FetchRequest, webhook::WebhookRules};

use crate::cursor::WallClock;

/// The expressions by which a row is read, each with its place in the flow.
#[derive(Debug, Clone, Copy)]
pub struct RowRules<'a> {
    pub(super) key: PlacedExpression<'a>,
    pub(super) version: Option<PlacedExpression<'a>>,
    pub(super) version_type: Option<VersionType>,
    pub(super) clock: WallClock<'a>,
    pub(super) deleted: Option<PlacedExpression<'a>>,
    pub(super) cursor: Option<PlacedExpression<'a>>,
}

/// An expression and its place in the flow, which errors name.
pub(super) type PlacedExpression<'a> = (&'static str, &'a Expression);

impl<'a> From<&'a Flow> for RowRules<'a> {
    fn from(flow: &'a Flow) -> RowRules<'a> {
        let extract = &flow.extract;
        RowRules {
            key: ("extract.key", &extract.key),
            version: placed("extract.version", extract.version.as_ref()),
            version_type: extract.version_type,
            clock: extract.timezone.as_ref().into(),
            deleted: placed("extract.deleted", extract.deleted.as_ref()),
            cursor: placed("extract.cursor.value", extract.cursor_value()),
        }
    }
}

impl<'a> RowRules<'a> {
    /// The rules for the rows of a delivery: the webhook's own, or else the flow's. Deliveries
    /// do not move the cursor, since they do not tell how far the source has been read.
    pub fn of_webhook(flow: &'a Flow, webhook: &'a WebhookRules) -> RowRules<'a> {
        let extract = RowRules::from(flow);
        let version = placed("extract.webhook.version", webhook.version.as_ref());
        let deleted = placed("extract.webhook.deleted", webhook.deleted.as_ref());
        RowRules {
            key: placed("extract.webhook.key", webhook.key.as_ref()).unwrap_or(extract.key),
            version: version.or(extract.version),
            deleted: deleted.or(extract.deleted),
            cursor: None,
            ..extract
        }
    }

    /// The rules by which the rows of a batch were read.
    pub fn of_batch(flow: &'a Flow, batch: &BatchId) -> RowRules<'a> {
        match &flow.extract.webhook {
            Some(webhook) if batch.is_of_webhook() => RowRules::of_webhook(flow, webhook),
            _ => RowRules::from(flow),
        }
    }

    /// True if one of the expressions uses the variable, named without its dollar sign.
    pub fn uses_variable(&self, name: &str) -> bool {
        let others = [self.version, self.deleted, self.cursor]
            .into_iter()
            .flatten();
        std::iter::once(self.key)
            .chain(others)
            .any(|(_, expression)| expression.uses_variable(name))
    }
}

/// The request about each row of a delivery, if the source is asked about them.
pub fn fetch_of_webhook<'a>(flow: &'a Flow, webhook: &WebhookRules) -> Option<&'a FetchRequest> {
    flow.extract.fetch.as_ref().filter(|_| webhook.fetch)
}

/// The request about each row of a batch that awaits its fetch, if the flow still has one.
pub fn fetch_of<'a>(flow: &'a Flow, batch: &BatchId) -> Option<&'a FetchRequest> {
    match &flow.extract.webhook {
        Some(webhook) if batch.is_of_webhook() => fetch_of_webhook(flow, webhook),
        _ => flow.extract.fetch.as_ref(),
    }
}

pub(super) fn placed<'a>(
    place: &'static str,
    expression: Option<&'a Expression>,
) -> Option<PlacedExpression<'a>> {
    expression.map(|expression| (place, expression))
}
