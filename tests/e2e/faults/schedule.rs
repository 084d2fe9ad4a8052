//! The plan of a round, drawn from a seed.

use std::{fmt, ops::Range, time::Duration};

use pomost_tests::SeededRandom;

use super::{
    fault::{
        Fault::{self, *},
        System::{self, *},
        SystemMistake::{self, *},
    },
    servers::ServerWire::*,
};

/// A round: records cross while faults strike, then what changed crosses while others do.
pub(super) struct RoundPlan {
    pub(super) seed: u64,
    /// True for `pomost run` on its embedded files.
    pub(super) embedded: bool,
    /// Number of processes of each service.
    pub(super) replicas: usize,
    /// True where the changes come while the records before them are still under way.
    pub(super) overlapping: bool,
    /// True where every change is applied, in order; otherwise only the latest.
    pub(super) every: bool,
    pub(super) waves: [Vec<FaultGroup>; 2],
}

/// Faults that strike together.
#[derive(Debug)]
pub(super) struct FaultGroup {
    /// The percentage of the wave's records that have settled when it begins.
    pub(super) at: u64,
    pub(super) faults: Vec<Fault>,
    pub(super) duration: Duration,
}

/// One round in this many is of an embedded runner.
const EMBEDDED: usize = 6;

const SERVICES: [&str; 3] = ["extractor", "transformer", "loader"];

const WRONGS: [SystemMistake; 10] = [
    Throttles,
    IsNotReady,
    Fails,
    RefusesCredentials,
    HangsUp,
    HangsUpAfter,
    ActsLate,
    BreaksOff,
    AnswersLate,
    TalksNonsense,
];

impl RoundPlan {
    pub(super) fn draw(seed: u64) -> RoundPlan {
        let mut chance = SeededRandom::from_seed(seed);
        let embedded = chance.below(EMBEDDED) == 0;
        let replicas = if embedded { 1 } else { 1 + chance.below(2) };
        let [overlapping, every] = [(); 2].map(|()| chance.below(2) == 0);
        let waves = [3, 2].map(|blows| wave(&mut chance, blows, embedded));
        RoundPlan {
            seed,
            embedded,
            replicas,
            overlapping,
            every,
            waves,
        }
    }
}

/// Draws a wave, with one blow in each equal part.
fn wave(chance: &mut SeededRandom, blows: u64, embedded: bool) -> Vec<FaultGroup> {
    let moments = chance.moments(blows, 90);
    moments
        .into_iter()
        .map(|at| blow(chance, at, embedded))
        .collect()
}

fn blow(chance: &mut SeededRandom, at: u64, embedded: bool) -> FaultGroup {
    let mut faults: Vec<Fault> = Vec::new();
    for _ in 0..=chance.below(3) {
        let fault = fault(chance, embedded);
        if faults.iter().all(|other| other.target() != fault.target()) {
            faults.push(fault);
        }
    }
    let lasts = faults.iter().map(|fault| {
        let Range { start, end } = fault.duration_ms();
        start + chance.below((end - start) as usize) as u64
    });
    let duration = Duration::from_millis(lasts.max().unwrap_or(0));
    FaultGroup {
        at,
        faults,
        duration,
    }
}

/// Draws a fault. Those of the services are the most frequent ones, and those of the broker, which
/// takes long to be back, the rarest.
fn fault(chance: &mut SeededRandom, embedded: bool) -> Fault {
    let service = if embedded {
        "pomost"
    } else {
        chance.pick(SERVICES.into())
    };
    let of_the_service = [Killed(service), ToldToEnd(service), Frozen(service)];
    let kinds = match (embedded, chance.below(12)) {
        (true, 0..5) => of_the_service.to_vec(),
        (true, 5..8) => vec![DiskFull],
        (false, 0..4) => of_the_service
            .into_iter()
            .chain([Succeeded(service)])
            .collect(),
        (false, 4) => vec![BrokerRestarts, BrokerAlarm],
        (false, 5..7) => vec![DatabaseRestarts, DatabaseCrashes, DatabaseDisconnects],
        (false, 7..9) => {
            let wire = chance.pick(vec![ToTheBroker, ToTheDatabase]);
            vec![Cut(wire), Slow(wire), Silent(wire)]
        }
        _ => of_a_system(chance),
    };
    chance.pick(kinds)
}

/// The faults of one of the systems. The CRM does not talk nonsense, which rightly ends a run, and
/// has no effects that could be late.
fn of_a_system(chance: &mut SeededRandom) -> Vec<Fault> {
    let system: System = chance.pick(vec![Crm, Shop]);
    let wrongs = WRONGS
        .into_iter()
        .filter(|wrong| system == Shop || !matches!(wrong, TalksNonsense | ActsLate));
    wrongs
        .map(|wrong| Fault::SystemMistake(system, wrong))
        .chain([Away(system)])
        .collect()
}

impl fmt::Display for RoundPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RoundPlan {
            seed,
            embedded,
            replicas,
            overlapping,
            every,
            waves,
        } = self;
        let stack = if *embedded {
            "embedded".to_owned()
        } else {
            format!("{replicas} of each service")
        };
        let changes = if *overlapping {
            "overlapping changes"
        } else {
            "changes"
        };
        let order = if *every {
            "each in order"
        } else {
            "the latest"
        };
        write!(f, "POMOST_TEST_SEED={seed}, {stack}, {changes}, {order}")?;
        for blow in waves.iter().flatten() {
            write!(
                f,
                "\n  at {} %, for {:?}: {:?}",
                blow.at, blow.duration, blow.faults
            )?;
        }
        Ok(())
    }
}
