//! Sources with random troubles in their pages: every row arrives, at once or with the next run,
//! which reads the overlap again. `POMOST_TEST_SEED` chooses another plan.

mod case;
mod source;

use futures_util::{StreamExt, stream};
use pomost_store::{RunState, RunSummary};
use pomost_tests::SeededRandom;
use serde_json::Value;

use crate::support::{Flow, LOOKUP, World};
use case::{SourceCase, SourceTrouble};
use source::RandomSource;

/// Number of sources, and of those that are tried at a time.
const CASES: usize = 40;
const CASES_AT_A_TIME: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn every_row_arrives_after_two_runs_whatever_a_source_does_to_its_pages() {
    let mut random = SeededRandom::new();
    let cases: Vec<SourceCase> = (0..CASES)
        .map(|number| SourceCase::new(number, &mut random))
        .collect();
    let tried: Vec<SourceTrouble> = stream::iter(cases)
        .map(every_row_arrives)
        .buffer_unordered(CASES_AT_A_TIME)
        .collect()
        .await;
    for trouble in SourceTrouble::ALL {
        assert!(tried.contains(&trouble), "no source had {trouble:?}");
    }
}

async fn every_row_arrives(case: SourceCase) -> SourceTrouble {
    let source = RandomSource::new(&case);
    let flow = Flow {
        request: case.request(),
        extract: case.extract().leak(),
        load: LOOKUP,
        ..Flow::default()
    };
    let world = World::new(source.serve().await, flow).await;
    let running = world.start().await;
    let first = running.ended(running.request(None).await).await;
    check_first(&case, &source, &first);
    source.change_between_runs();
    let second = running.ended(running.request(None).await).await;
    assert_eq!(
        second.state,
        RunState::Settled,
        "{case:?}: {:?}",
        second.error
    );
    running.stop().await;
    let mut arrived: Vec<Value> = world
        .shop
        .things()
        .iter()
        .map(|thing| serde_json::from_str(thing).unwrap())
        .collect();
    arrived.sort_by_key(|row| row["key"].as_str().unwrap().to_owned());
    // What was deleted may have arrived before.
    arrived.retain(|row| source.has(row["key"].as_str().unwrap()));
    assert_eq!(arrived, source.rows(), "{case:?}");
    case.trouble
}

/// Checks the end of the first run. Pages that lead in a circle fail it, and so may rows that move,
/// where they make a page look like the one before it.
fn check_first(case: &SourceCase, source: &RandomSource, first: &RunSummary) {
    let error = first.error.as_deref().unwrap_or_default();
    let failed = match case.trouble {
        SourceTrouble::Circle if source.led_in_a_circle() => Some("read already"),
        SourceTrouble::MovingRows if first.state == RunState::Failed => Some("ignores the page"),
        _ => None,
    };
    match failed {
        Some(said) => assert!(
            first.state == RunState::Failed && error.contains(said),
            "{case:?}: {error}"
        ),
        None => assert_eq!(first.state, RunState::Settled, "{case:?}: {error}"),
    }
}
