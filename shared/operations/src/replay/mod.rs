//! Replays: sending dead letters back to a stage.

mod batches;
mod record;
mod replayer;
mod skip;

use pomost_models::{DeadLetter, RunId, Stage};
use pomost_project::Project;
use pomost_runtime::Backends;
use serde::Serialize;

use crate::{
    Error, Result,
    letters::{LetterPage, LetterSelection},
};

pub use replayer::Replayer;
pub use skip::{SkipReason, SkippedLetter};

/// The wishes of an operator for a replay.
#[derive(Debug, Clone, Default)]
pub struct ReplayRequest {
    /// The stage that the letters go back to; left out, the one that failed.
    pub from: Option<Stage>,
    /// For letters in doubt: the answer of somebody who looked at the destination.
    pub resolution: Option<DoubtResolution>,
}

/// The answer of somebody who looked at the destination for a record in doubt.
#[derive(Debug, Clone)]
pub enum DoubtResolution {
    /// The destination does not have the record.
    Absent,
    /// The destination has the record, under this id.
    Present(String),
}

/// A replay whose records were sent.
#[derive(Debug, Clone, Serialize)]
pub struct SentReplay {
    pub run: RunId,
    pub flow: String,
    /// The stage that the letters go back to.
    pub stage: Stage,
    /// The ids of the letters.
    pub letters: Vec<String>,
}

/// The replays that were sent, and the letters that stay as they are.
#[derive(Debug, Default, Serialize)]
pub struct ReplayReport {
    pub sent: Vec<SentReplay>,
    pub skipped: Vec<SkippedLetter>,
}

/// Progress of a replay of many letters.
#[derive(Debug)]
pub enum ReplayEvent<'a> {
    Sent(&'a SentReplay),
    Skipped(&'a SkippedLetter),
}

/// Takes the events of a replay.
pub type ReplayEvents<'a> = dyn FnMut(ReplayEvent<'_>) + Send + 'a;

/// Replays the open letters of a selection, a page at a time, and those that an earlier call left
/// unsent. With `all`, the selection may be every open letter.
pub async fn replay(
    backends: &Backends,
    project: &Project,
    selection: &LetterSelection,
    all: bool,
    request: &ReplayRequest,
    events: &mut ReplayEvents<'_>,
) -> Result<ReplayReport> {
    let names_a_record = matches!(request.resolution, Some(DoubtResolution::Present(_)));
    if names_a_record && selection.ids.len() != 1 {
        return Err(Error::OneLetterExpected);
    }
    let flows: Vec<String> = project.flows.keys().cloned().collect();
    backends.broker.declare(&flows).await?;
    let replayer = Replayer { backends, project };
    let mut pages = selection.pages(&*backends.store, all)?;
    // The first page is read before earlier replays go on: the chosen letters may be those that
    // they still have to send, and no letter of that name would be open afterwards.
    let mut next = pages.next().await?;
    let mut report = replayer.resume().await?;
    report.tell(events);
    while let Some(LetterPage {
        mut letters,
        missing,
    }) = next
    {
        letters.retain(|letter| !report.has_sent(&letter.id));
        let mut of_page = replayer.replay(&letters, request).await?;
        let missing = missing.into_iter().map(SkippedLetter::missing);
        of_page.skipped.splice(0..0, missing);
        of_page.tell(events);
        report.extend(of_page);
        next = pages.next().await?;
    }
    Ok(report)
}

impl ReplayReport {
    /// Number of letters that were sent.
    pub fn count_sent(&self) -> usize {
        self.sent.iter().map(|sent| sent.letters.len()).sum()
    }

    fn has_sent(&self, id: &str) -> bool {
        let has = |sent: &SentReplay| sent.letters.iter().any(|letter| letter == id);
        self.sent.iter().any(has)
    }

    fn tell(&self, events: &mut ReplayEvents<'_>) {
        self.sent
            .iter()
            .for_each(|sent| events(ReplayEvent::Sent(sent)));
        self.skipped
            .iter()
            .for_each(|skipped| events(ReplayEvent::Skipped(skipped)));
    }

    fn skip(&mut self, letter: &DeadLetter, reason: SkipReason) {
        let id = letter.id.clone();
        self.skipped.push(SkippedLetter { id, reason });
    }

    fn extend(&mut self, other: ReplayReport) {
        self.sent.extend(other.sent);
        self.skipped.extend(other.skipped);
    }
}
