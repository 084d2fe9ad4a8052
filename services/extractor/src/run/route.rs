//! The order in which the parts of a run are read, as pure functions of its flow.

use jiff::Timestamp;
use pomost_project::{Flow, flow::CursorRules};
use pomost_rows::cursor;

use super::{RunPart, RunPosition, TimeWindow, context::listing};

use crate::{error::Error, paging::PagePosition};

/// The first position of a part.
pub(super) fn start(flow: &Flow, part: RunPart, since: Option<&str>) -> Result<RunPosition, Error> {
    let extract = &flow.extract;
    let first_listing = match (&part, &extract.deletions, &extract.for_each) {
        (RunPart::Deletions, Some(deletions), _) => &deletions.listing,
        (RunPart::Records, _, Some(parents)) => parents,
        _ => listing(flow)?,
    };
    let step = extract.cursor.as_ref().and_then(|cursor| cursor.step);
    let window = match (&part, step, since) {
        (RunPart::Records, Some(step), Some(since)) => Some(window(since.to_owned(), step)?),
        _ => None,
    };
    let begins_at_link =
        part == RunPart::Records && extract.cursor.as_ref().is_some_and(CursorRules::is_link);
    let page = since.filter(|_| begins_at_link).map_or_else(
        || PagePosition::first(&first_listing.paginate),
        |link| PagePosition::Url(link.to_owned()),
    );
    Ok(RunPosition {
        part,
        window,
        page,
        parents_done: 0,
    })
}

/// The position after a listing that has been read to its end; `None` at the end of the run.
pub(super) fn after(
    flow: &Flow,
    position: &RunPosition,
    since: Option<&str>,
) -> Result<Option<RunPosition>, Error> {
    if let Some(window) = next_window(flow, position)? {
        return Ok(Some(RunPosition {
            window: Some(window),
            ..start(flow, RunPart::Records, since)?
        }));
    }
    let extract = &flow.extract;
    let sweeps = extract.sweep.is_some() && reads_everything(flow, since);
    let part = match &position.part {
        RunPart::Records if extract.deletions.is_some() => RunPart::Deletions,
        RunPart::Records | RunPart::Deletions if sweeps => RunPart::Missing(String::new()),
        _ => return Ok(None),
    };
    start(flow, part, since).map(Some)
}

/// True if everything is read from this start on: by a flow without a cursor, and by one with a
/// token or a link that has none yet. A value, even the start, may leave records out.
pub(super) fn reads_everything(flow: &Flow, since: Option<&str>) -> bool {
    let cursor = flow.extract.cursor.as_ref();
    cursor.is_none_or(|cursor| cursor.value().is_none() && since == cursor.start.as_deref())
}

/// The next window of time, unless the last one reached beyond now.
fn next_window(flow: &Flow, position: &RunPosition) -> Result<Option<TimeWindow>, Error> {
    let step = flow.extract.cursor.as_ref().and_then(|cursor| cursor.step);
    let (Some(last), Some(step)) = (&position.window, step) else {
        return Ok(None);
    };
    let clock = flow.extract.timezone.as_ref().into();
    if cursor::is_past(&last.until, Timestamp::now(), clock) {
        return Ok(None);
    }
    window(last.until.clone(), step).map(Some)
}

fn window(from: String, step: std::time::Duration) -> Result<TimeWindow, Error> {
    let until = cursor::window_end(&from, step).map_err(Error::Permanent)?;
    Ok(TimeWindow { from, until })
}
