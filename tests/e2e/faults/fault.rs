//! All that goes wrong.

use std::{ops::Range, time::Duration};

use pomost_sandbox::{Fault as Struck, FaultAction, FaultPlan, FaultTiming};
use pomost_tests::{Service, Stack, WireState};

use super::ground::{Ground, Wire};

/// What goes wrong. A fault begins, lasts for a while and ends; then everything is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A service dies without a warning, and is started again.
    Killed(&'static str),
    /// A service is told to end, as by an upgrade, and started again when it has.
    ToldToEnd(&'static str),
    /// A service stands still for longer than its claims and leases hold.
    Frozen(&'static str),
    /// Another process of a service joins, and the first is killed.
    Succeeded(&'static str),
    /// Connections break, and there are no new ones.
    Cut(Wire),
    /// All that is sent takes its time.
    Slow(Wire),
    /// Connections stay, and nothing comes through.
    Silent(Wire),
    /// The broker is stopped and started.
    BrokerRestarts,
    /// The broker has too little memory, and takes nothing from whoever publishes.
    BrokerAlarm,
    /// The database is stopped and started.
    DatabaseRestarts,
    /// The database breaks off where it is, and recovers.
    DatabaseCrashes,
    /// All connections to the database are closed, as by a failover.
    DatabaseDisconnects,
    /// A system is not there.
    Away(System),
    /// A system does something wrong.
    Wrong(System, Wrong),
    /// There is no more room for the embedded files.
    DiskFull,
}

/// A system at either end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    Crm,
    Shop,
}

/// What a system does wrong, to some or all requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
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
}

/// Where faults strike.
pub(super) struct Field<'a> {
    pub(super) stack: &'a mut Stack,
    pub(super) ground: &'a mut Ground,
    /// Processes beside those of the stack.
    pub(super) others: Vec<Service>,
}

/// What a chunk takes on a slow wire: a page of records or a batch is a few, each with its answer.
const SLOW: WireState = WireState::Slow(Duration::from_millis(40));

impl Fault {
    pub(super) async fn begin(self, field: &mut Field<'_>) {
        let Field {
            stack,
            ground,
            others,
        } = field;
        match self {
            Fault::Killed(service) => stack.service(service).kill().await,
            Fault::ToldToEnd(service) => stack.service(service).ask_to_end(),
            Fault::Frozen(service) => stack.service(service).pause(),
            Fault::Succeeded(service) => {
                let mut successor = stack.another(service);
                successor.start();
                others.push(std::mem::replace(stack.service(service), successor));
            }
            Fault::Cut(wire) => ground.wire(wire).cut().await,
            Fault::Slow(wire) => ground.wire(wire).set(SLOW),
            Fault::Silent(wire) => ground.wire(wire).set(WireState::Silent),
            Fault::BrokerRestarts => ground.broker.stop().await,
            Fault::BrokerAlarm => ground.broker.set_memory_alarm(true).await,
            Fault::DatabaseRestarts => ground.database.stop().await,
            Fault::DatabaseCrashes => ground.database.kill().await,
            Fault::DatabaseDisconnects => stack.namespace.disconnect_database().await,
            Fault::Away(System::Crm) => stack.crm.pause().await,
            Fault::Away(System::Shop) => stack.shop.pause().await,
            Fault::Wrong(System::Crm, wrong) => stack.crm.set_faults(wrong.among(CRM)),
            Fault::Wrong(System::Shop, wrong) => stack.shop.set_faults(wrong.among(SHOP)),
            Fault::DiskFull => stack.all_in_one.set_full_disk(true),
        }
    }

    pub(super) async fn end(self, field: &mut Field<'_>) {
        let Field {
            stack,
            ground,
            others,
        } = field;
        match self {
            Fault::Killed(service) => stack.service(service).start(),
            Fault::ToldToEnd(service) => {
                let service = stack.service(service);
                let ended = service.ended().await;
                assert!(
                    ended.is_orderly() && ended.took < LIMIT,
                    "{}: {ended:?}",
                    service.name
                );
                service.start();
            }
            Fault::Frozen(service) => stack.service(service).resume(),
            Fault::Succeeded(_) => others.pop().expect("it was succeeded").kill().await,
            Fault::Cut(wire) => ground.wire(wire).mend().await,
            Fault::Slow(wire) | Fault::Silent(wire) => ground.wire(wire).set(WireState::Open),
            Fault::BrokerRestarts => ground.broker.start_again().await,
            Fault::BrokerAlarm => ground.broker.set_memory_alarm(false).await,
            Fault::DatabaseRestarts | Fault::DatabaseCrashes => ground.database.start_again().await,
            Fault::DatabaseDisconnects => {}
            Fault::Away(System::Crm) => stack.crm.resume().await.unwrap(),
            Fault::Away(System::Shop) => stack.shop.resume().await.unwrap(),
            Fault::Wrong(System::Crm, _) => stack.crm.set_faults(CRM),
            Fault::Wrong(System::Shop, _) => stack.shop.set_faults(SHOP),
            Fault::DiskFull => stack.all_in_one.set_full_disk(false),
        }
    }

    /// What it strikes. At a time, one fault strikes a thing.
    pub(super) fn strikes(self) -> &'static str {
        match self {
            Fault::Killed(service)
            | Fault::ToldToEnd(service)
            | Fault::Frozen(service)
            | Fault::Succeeded(service) => service,
            Fault::Cut(wire) | Fault::Slow(wire) | Fault::Silent(wire) => wire.leads_to(),
            Fault::BrokerRestarts | Fault::BrokerAlarm => Wire::ToTheBroker.leads_to(),
            Fault::DatabaseRestarts | Fault::DatabaseCrashes | Fault::DatabaseDisconnects => {
                Wire::ToTheDatabase.leads_to()
            }
            Fault::Away(System::Crm) | Fault::Wrong(System::Crm, _) => "crm",
            Fault::Away(System::Shop) | Fault::Wrong(System::Shop, _) => "shop",
            // What the one process says would be lost with it.
            Fault::DiskFull => "pomost",
        }
    }

    /// For how long it lasts, in milliseconds. What stands still does so past its claims, and some past the broker's
    /// patience.
    pub(super) fn lasts(self) -> Range<u64> {
        match self {
            Fault::Frozen(_) => 1_300..8_000,
            Fault::Succeeded(_) => 500..2_000,
            _ => 0..2_000,
        }
    }
}

/// Within which a service that is told to end is gone.
const LIMIT: Duration = Duration::from_secs(25);

/// The systems are slow enough for records to be everywhere at any time.
pub(super) const CRM: FaultPlan = FaultPlan {
    delay_ms: 120,
    faults: Vec::new(),
};
pub(super) const SHOP: FaultPlan = FaultPlan {
    delay_ms: 20,
    faults: Vec::new(),
};

/// After the connection was closed, within the time for which that is reckoned with.
const ACT_LATE: FaultAction = FaultAction::EffectAfter { ms: 1_500 };

/// Longer than the project's patience.
const LATE: FaultAction = FaultAction::Late { ms: 2_500 };

impl Wrong {
    /// This as well as what is usual.
    fn among(self, usual: FaultPlan) -> FaultPlan {
        let asking = |status| FaultAction::Answer {
            status,
            retry_after: Some("1".to_owned()),
        };
        let (when, act) = match self {
            Wrong::Throttles => (FaultTiming::Always, asking(429)),
            Wrong::IsNotReady => (FaultTiming::Always, asking(503)),
            Wrong::Fails => (FaultTiming::OneIn(2), FaultAction::answer(500)),
            Wrong::RefusesCredentials => (FaultTiming::Always, FaultAction::answer(401)),
            Wrong::HangsUp => (FaultTiming::OneIn(2), FaultAction::HangUp),
            Wrong::HangsUpAfter => (FaultTiming::OneIn(3), FaultAction::HangUpAfter),
            Wrong::ActsLate => (FaultTiming::OneIn(3), ACT_LATE),
            Wrong::BreaksOff => (FaultTiming::OneIn(3), FaultAction::BreakOff),
            Wrong::AnswersLate => (FaultTiming::OneIn(4), LATE),
            Wrong::TalksNonsense => (FaultTiming::OneIn(3), FaultAction::Garbage),
        };
        let fault = Struck::new(when, act);
        // A change that is made late undoes one that came after it, and nobody could know.
        let fault = if self == Wrong::ActsLate {
            fault.on("POST")
        } else {
            fault
        };
        FaultPlan {
            faults: vec![fault],
            ..usual
        }
    }
}
