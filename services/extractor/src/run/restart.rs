//! The restart of a run whose beginning the source has forgotten.

use jiff::Timestamp;
use pomost_http::{Failure, FailureClass};
use pomost_rows::cursor::CursorKind;
use tracing::warn;

use super::{Checkpoint, RunContext, RunPart, RunPosition, route};

use crate::error::Error;

/// Decides what follows on a failed request. A run that began at a token or a link which the source
/// does not have any more (404, 410, or a class `gone` by a rule) restarts where the flow's first
/// run began: tokens expire, and asking for one again does not bring it back. A text from the rows
/// may be a token as well.
pub(super) fn after_failure(
    context: &RunContext<'_>,
    checkpoint: Checkpoint,
    position: &RunPosition,
    failure: Failure,
) -> Result<Checkpoint, Error> {
    let cursor = context
        .cursor()
        .filter(|_| failure.class == FailureClass::Gone);
    let Some(cursor) = cursor else {
        return Err(failure.into());
    };
    // From the flow's start, or after a restart, there is nowhere else to begin: the system itself
    // is gone.
    let expired = checkpoint
        .since
        .as_deref()
        .filter(|since| !checkpoint.restarted && Some(*since) != cursor.start.as_deref());
    let Some(expired) = expired else {
        return Err(failure.into());
    };
    let is_value = cursor.value().is_some() && CursorKind::of(expired) != CursorKind::Text;
    if is_value || position.part != RunPart::Records {
        return Err(with_advice(context, &failure));
    }
    warn!(flow = context.run.flow, run = %context.run.id, error = %failure, "the run begins anew");
    let since = cursor.start.clone();
    Ok(Checkpoint {
        position: Some(route::start(
            context.flow(),
            RunPart::Records,
            since.as_deref(),
        )?),
        since,
        began_at: Some(Timestamp::now()),
        reached: None,
        sync_token: None,
        restarted: true,
        ..checkpoint
    })
}

/// The warning of a run that was restarted.
pub(super) fn warning(context: &RunContext<'_>) -> &'static str {
    match context.flow().extract.sweep {
        Some(_) => {
            "the source does not know the place any more at which the run was to begin, so it was read anew from its \
             start"
        }
        None => {
            "the source does not know the place any more at which the run was to begin, so it was read anew from its \
             start; what it deleted meanwhile, only extract.sweep would find"
        }
    }
}

fn with_advice(context: &RunContext<'_>, failure: &Failure) -> Error {
    Error::Permanent(format!(
        "{failure}. Where that is since it does not know the value of extract.cursor any more, `pomost cursor set \
         {}` lets the next run begin at the start",
        context.run.flow
    ))
}
