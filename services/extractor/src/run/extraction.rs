//! The reading of one run, page after page.

use pomost_expression::{Value, Variables, given};
use pomost_models::Stage;
use pomost_runtime::telemetry;
use pomost_store::Lease;
use tracing::{Instrument, field, info_span};

use super::{
    Checkpoint, RunContext, RunPosition,
    page_writer::PageWriter,
    parts::{self, ListingMemory},
    restart, route,
};
use crate::{error::Error, source::RetryBackoff};

/// Reads a run from its checkpoint to the last page, and ends it under the flow's lease.
pub async fn extract(context: &RunContext<'_>, lease: &Lease) -> Result<(), Error> {
    let checkpoint = Checkpoint::load(context).await?;
    let end = read_to_end(context, checkpoint).await?;
    context.keep_cursor_type(&end).await?;
    context.finish(lease, &end).await
}

/// Reads a run from a checkpoint to the last page. Each page is put into the sink, and then its
/// progress is recorded. A crash between the two has the page put again, in batches of the same
/// ids.
pub async fn read_to_end(
    context: &RunContext<'_>,
    mut checkpoint: Checkpoint,
) -> Result<Checkpoint, Error> {
    let mut memory = ListingMemory::default();
    while let Some(position) = checkpoint.position.clone() {
        let span = page_span(context, &checkpoint);
        telemetry::note_trace_id(&span);
        let read = read_page(context, &checkpoint, &position, &mut memory)
            .instrument(span)
            .await;
        let was_restarted = checkpoint.restarted;
        checkpoint = match read {
            Err(Error::Request(failure)) => {
                restart::after_failure(context, checkpoint, &position, failure)?
            }
            read => read?,
        };
        // Another listing, or the same one from its start, may have the same pages without leading
        // in a circle.
        if !is_same_listing(&position, &checkpoint) || checkpoint.restarted != was_restarted {
            memory = ListingMemory::default();
        }
    }
    Ok(checkpoint)
}

fn is_same_listing(position: &RunPosition, next: &Checkpoint) -> bool {
    next.position
        .as_ref()
        .is_some_and(|next| next.part == position.part && next.window == position.window)
}

/// Reads one page, and returns the checkpoint after it. A page that breaks off is requested again:
/// the rows that were put already are put again in batches of the same ids.
async fn read_page(
    context: &RunContext<'_>,
    checkpoint: &Checkpoint,
    position: &RunPosition,
    memory: &mut ListingMemory,
) -> Result<Checkpoint, Error> {
    let mut backoff = RetryBackoff::default();
    loop {
        match try_to_read_page(context, checkpoint, position, memory).await {
            Err(Error::Request(failure)) => backoff.wait(context.source, failure).await?,
            read => return read,
        }
    }
}

async fn try_to_read_page(
    context: &RunContext<'_>,
    checkpoint: &Checkpoint,
    position: &RunPosition,
    memory: &mut ListingMemory,
) -> Result<Checkpoint, Error> {
    let variables = variables(context, checkpoint, position);
    let mut writer = PageWriter::new(context, checkpoint);
    let next = parts::read(context, position, &variables, memory, &mut writer).await?;
    let next = match next {
        Some(next) => Some(next),
        None => route::after(context.flow(), position, checkpoint.since.as_deref())?,
    };
    writer.finish(next).await
}

fn variables(
    context: &RunContext<'_>,
    checkpoint: &Checkpoint,
    position: &RunPosition,
) -> Variables {
    let cursor_value = |text: &str| given(text, checkpoint.cursor_is_text);
    let window = position.window.as_ref();
    let since = window
        .map(|window| &*window.from)
        .or(checkpoint.since.as_deref());
    Variables {
        cursor: since.map_or(Value::Null, cursor_value),
        until: window.map_or(Value::Null, |window| cursor_value(&window.until)),
        page: position.page.variable(),
        ..context.flow().run_variables(context.run.id)
    }
}

fn page_span(context: &RunContext<'_>, checkpoint: &Checkpoint) -> tracing::Span {
    let run = context.run;
    info_span!(
        target: telemetry::STAGE_SPANS,
        "page",
        otel.name = %format_args!("extract {}", run.flow),
        stage = %Stage::Extract,
        flow = %run.flow,
        run = %run.id,
        page = checkpoint.pages,
        trace_id = field::Empty,
    )
}
