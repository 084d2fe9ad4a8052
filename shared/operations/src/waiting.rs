//! The system that a run waits for.

use pomost_project::{Flow, Project, flow::LoadTarget};
use pomost_store::{Outage, RunState, RunSummary};

/// The outage whose end a run waits for; none where the project does not know the run's flow.
pub(crate) fn outage_of<'a>(
    project: &Project,
    outages: &'a [Outage],
    run: &RunSummary,
) -> Option<&'a Outage> {
    let systems = systems_of(project.flows.get(&run.flow)?, run.state);
    let outage_of = |system: &str| outages.iter().find(|outage| outage.system == system);
    systems.into_iter().flatten().find_map(outage_of)
}

/// The systems that a run in this state sends requests to. A flow with `extract.fetch` asks its source about
/// delivered rows while they settle.
fn systems_of(flow: &Flow, state: RunState) -> [Option<&str>; 2] {
    let source = Some(flow.extract.system.as_str());
    let destination = match &flow.load.target {
        LoadTarget::System(requests) => Some(requests.system.as_str()),
        _ => None,
    };
    match state {
        RunState::Requested | RunState::Extracting => [source, None],
        RunState::Settling => [destination, source.filter(|_| flow.extract.fetch.is_some())],
        _ => [None, None],
    }
}
