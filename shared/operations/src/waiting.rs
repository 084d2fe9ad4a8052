//! The system that a run waits for.

use std::borrow::Cow;

use pomost_project::{Flow, Project};
use pomost_store::{Outage, RunState, RunSummary};

/// The outage whose end a run waits for; none where the project does not know the run's flow.
pub(crate) fn outage_of<'a>(
    project: &Project,
    outages: &'a [Outage],
    run: &RunSummary,
) -> Option<&'a Outage> {
    let systems = systems_of(project.flows.get(&run.flow)?, run.state);
    let outage_of = |system: Cow<'_, str>| outages.iter().find(|outage| outage.system == system);
    systems.into_iter().flatten().find_map(outage_of)
}

/// The systems, or tables or files, that a run in this state reads or writes. A flow with
/// `extract.fetch` asks its source about delivered rows while they settle.
fn systems_of(flow: &Flow, state: RunState) -> [Option<Cow<'_, str>>; 2] {
    let source = Some(Cow::Borrowed(flow.extract.system.as_str()));
    let destination = Some(flow.destination_name());
    match state {
        RunState::Requested | RunState::Extracting => [source, None],
        RunState::Settling => [destination, source.filter(|_| flow.extract.fetch.is_some())],
        _ => [None, None],
    }
}
