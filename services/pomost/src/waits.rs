//! For which system a run waits.

use pomost_project::{Project, flow::To};
use pomost_store::{Outage, RunState, RunSummary};

/// The outage whose end a run waits for.
pub fn outage_of<'a>(project: &Project, outages: &'a [Outage], run: &RunSummary) -> Option<&'a Outage> {
    let system = system(project, run)?;
    outages.iter().find(|outage| outage.system == system)
}

/// That as words of a line: `waits for crm since 2026-11-30T22:50:46Z`.
pub fn in_words(Outage { system, since, .. }: &Outage) -> String {
    format!("waits for {system} since {since:.0}")
}

/// The system that a run is at.
fn system<'a>(project: &'a Project, run: &RunSummary) -> Option<&'a str> {
    let flow = project.flows.get(&run.flow)?;
    match (run.state, &flow.load.to) {
        (RunState::Requested | RunState::Extracting, _) => Some(&flow.extract.system),
        (RunState::Settling, To::System(requests)) => Some(&requests.system),
        _ => None,
    }
}
