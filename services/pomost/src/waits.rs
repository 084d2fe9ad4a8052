//! For which system a run waits.

use pomost_project::{Flow, Project, flow::LoadTarget};
use pomost_store::{Outage, RunState, RunSummary};

/// The outage whose end a run waits for.
pub fn outage_of<'a>(
    project: &Project,
    outages: &'a [Outage],
    run: &RunSummary,
) -> Option<&'a Outage> {
    let systems = systems(project.flows.get(&run.flow)?, run.state);
    let outage_of = |system: &str| outages.iter().find(|outage| outage.system == system);
    systems.into_iter().flatten().find_map(outage_of)
}

/// That as words of a line: `waits for crm since 2026-11-30T22:50:46Z`.
pub fn in_words(Outage { system, since, .. }: &Outage) -> String {
    format!("waits for {system} since {since:.0}")
}

/// The systems that a run in this state may be at. A source that told of rows is asked about them while they settle.
fn systems(flow: &Flow, state: RunState) -> [Option<&str>; 2] {
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
