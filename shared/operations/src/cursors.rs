//! Cursors: showing and setting the place up to which a flow's source has been read.

use jiff::Timestamp;
use pomost_project::{
    Flow, Project,
    flow::{CursorRules, ExtractRules},
};
use pomost_rows::cursor;
use pomost_store::Store;
use serde::Serialize;

use crate::{Error, Result, open};

/// The cursor of a flow: the place up to which its source has been read.
#[derive(Debug, Clone, Serialize)]
pub struct CursorReport {
    pub flow: String,
    /// None before the first run has ended: the next run begins at the flow's start.
    pub value: Option<String>,
}

/// Shows the cursor of a flow.
pub async fn show(store: &dyn Store, project: &Project, flow: &str) -> Result<CursorReport> {
    let (flow, _) = flow_with_cursor(project, flow)?;
    Ok(CursorReport {
        flow: flow.name.clone(),
        value: store.cursor(&flow.name).await?,
    })
}

/// Lets the next run of a flow begin at `value`, or at the flow's start. A place that no run can
/// begin at is an error, and the cursor stays.
pub async fn set(
    store: &dyn Store,
    project: &Project,
    flow: &str,
    value: Option<&str>,
) -> Result<()> {
    let (flow, cursor) = flow_with_cursor(project, flow)?;
    if let Some(value) = value {
        let stored = store.cursor(&flow.name).await?;
        check_beginning(&flow.extract, cursor, stored.as_deref(), value)
            .map_err(Error::InvalidArgument)?;
    }
    Ok(store.set_cursor(&flow.name, value).await?)
}

fn flow_with_cursor<'a>(project: &'a Project, flow: &str) -> Result<(&'a Flow, &'a CursorRules)> {
    let flow = open::flow(project, flow)?;
    match &flow.extract.cursor {
        Some(cursor) => Ok((flow, cursor)),
        None => Err(Error::NoCursor(flow.name.clone())),
    }
}

/// Refuses a place that no run of the flow can begin at, and a time to come: changes until then
/// would never be read.
pub(crate) fn check_beginning(
    extract: &ExtractRules,
    cursor: &CursorRules,
    stored: Option<&str>,
    value: &str,
) -> std::result::Result<(), String> {
    cursor::check_start(cursor, stored, value)?;
    let clock = extract.timezone.as_ref().into();
    match cursor.value().is_some() && cursor::is_certainly_later(value, Timestamp::now(), clock) {
        false => Ok(()),
        true => Err(format!(
            "{value:?} is a time to come: what changes until then would not be read"
        )),
    }
}
