//! The list of faults.

use std::{ops::Range, time::Duration};

use pomost_sandbox::{Fault as Struck, FaultAction, FaultPlan, FaultTiming};
use pomost_tests::{Service, Stack, WireState};

use super::servers::{RoundServers, ServerWire};

/// A fault. It begins, lasts for a while and ends; then everything is as it was before.
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
    Cut(ServerWire),
    /// Everything that is sent is delayed.
    Slow(ServerWire),
    /// Connections stay, and nothing passes.
    Silent(ServerWire),
    /// The broker is stopped and started.
    BrokerRestarts,
    /// The broker has too little memory and accepts no messages.
    BrokerAlarm,
    /// The database is stopped and started.
    DatabaseRestarts,
    /// The database breaks off where it is, and recovers.
    DatabaseCrashes,
    /// All connections to the database are closed, as by a failover.
    DatabaseDisconnects,
    /// A system refuses connections.
    Away(System),
    /// A system does something wrong.
    SystemMistake(System, SystemMistake),
    /// The disk with the embedded files is full.
    DiskFull,
}

/// A system at either end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum System {
    Crm,
    Shop,
}

/// A mistake of a system, with some or all requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SystemMistake {
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

/// Everything that faults strike.
pub(super) struct FaultTargets<'a> {
    pub(super) stack: &'a mut Stack,
    pub(super) servers: &'a mut RoundServers,
    /// Processes beside those of the stack.
    pub(super) others: Vec<Service>,
}

/// The delay of a chunk on a slow wire. A page or a batch is a few chunks, each with its response.
const SLOW: WireState = WireState::Slow(Duration::from_millis(40));

impl Fault {
    pub(super) async fn begin(self, targets: &mut FaultTargets<'_>) {
        let FaultTargets {
            stack,
            servers,
            others,
        } = targets;
        match self {
            Fault::Killed(service) => stack.service(service).kill().await,
            Fault::ToldToEnd(service) => stack.service(service).ask_to_end(),
            Fault::Frozen(service) => stack.service(service).pause(),
            Fault::Succeeded(service) => {
                let mut successor = stack.another(service);
                successor.start();
                others.push(std::mem::replace(stack.service(service), successor));
            }
            Fault::Cut(wire) => servers.wire(wire).cut().await,
            Fault::Slow(wire) => servers.wire(wire).set(SLOW),
            Fault::Silent(wire) => servers.wire(wire).set(WireState::Silent),
            Fault::BrokerRestarts => servers.broker.stop().await,
            Fault::BrokerAlarm => servers.broker.set_memory_alarm(true).await,
            Fault::DatabaseRestarts => servers.database.stop().await,
            Fault::DatabaseCrashes => servers.database.kill().await,
            Fault::DatabaseDisconnects => stack.namespace.disconnect_database().await,
            Fault::Away(System::Crm) => stack.crm.pause().await,
            Fault::Away(System::Shop) => stack.shop.pause().await,
            Fault::SystemMistake(System::Crm, wrong) => stack.crm.set_faults(wrong.with_usual(CRM)),
            Fault::SystemMistake(System::Shop, wrong) => {
                stack.shop.set_faults(wrong.with_usual(SHOP))
            }
            Fault::DiskFull => stack.all_in_one.set_full_disk(true),
        }
    }

    pub(super) async fn end(self, targets: &mut FaultTargets<'_>) {
        let FaultTargets {
            stack,
            servers,
            others,
        } = targets;
        match self {
            Fault::Killed(service) => stack.service(service).start(),
            Fault::ToldToEnd(service) => {
                let service = stack.service(service);
                let ended = service.ended().await;
                assert!(
                    ended.is_orderly() && ended.took < EXIT_LIMIT,
                    "{}: {ended:?}",
                    service.name
                );
                service.start();
            }
            Fault::Frozen(service) => stack.service(service).resume(),
            Fault::Succeeded(_) => others.pop().expect("it was succeeded").kill().await,
            Fault::Cut(wire) => servers.wire(wire).mend().await,
            Fault::Slow(wire) | Fault::Silent(wire) => servers.wire(wire).set(WireState::Open),
            Fault::BrokerRestarts => servers.broker.start_again().await,
            Fault::BrokerAlarm => servers.broker.set_memory_alarm(false).await,
            Fault::DatabaseRestarts | Fault::DatabaseCrashes => {
                servers.database.start_again().await
            }
            Fault::DatabaseDisconnects => {}
            Fault::Away(System::Crm) => stack.crm.resume().await.unwrap(),
            Fault::Away(System::Shop) => stack.shop.resume().await.unwrap(),
            Fault::SystemMistake(System::Crm, _) => stack.crm.set_faults(CRM),
            Fault::SystemMistake(System::Shop, _) => stack.shop.set_faults(SHOP),
            Fault::DiskFull => stack.all_in_one.set_full_disk(false),
        }
    }

    /// The thing that the fault strikes. Only one fault at a time strikes a thing.
    pub(super) fn target(self) -> &'static str {
        match self {
            Fault::Killed(service)
            | Fault::ToldToEnd(service)
            | Fault::Frozen(service)
            | Fault::Succeeded(service) => service,
            Fault::Cut(wire) | Fault::Slow(wire) | Fault::Silent(wire) => wire.server(),
            Fault::BrokerRestarts | Fault::BrokerAlarm => ServerWire::ToTheBroker.server(),
            Fault::DatabaseRestarts | Fault::DatabaseCrashes | Fault::DatabaseDisconnects => {
                ServerWire::ToTheDatabase.server()
            }
            Fault::Away(System::Crm) | Fault::SystemMistake(System::Crm, _) => "crm",
            Fault::Away(System::Shop) | Fault::SystemMistake(System::Shop, _) => "shop",
            // The one process is the target, since its log would be lost with it.
            Fault::DiskFull => "pomost",
        }
    }

    /// The range of its duration in milliseconds. A frozen service is frozen past its claims, and
    /// sometimes past the heartbeats of the broker.
    pub(super) fn duration_ms(self) -> Range<u64> {
        match self {
            Fault::Frozen(_) => 1_300..8_000,
            Fault::Succeeded(_) => 500..2_000,
            _ => 0..2_000,
        }
    }
}

/// Time that a service may take to end.
const EXIT_LIMIT: Duration = Duration::from_secs(25);

/// The usual plans. The systems are so slow that records are in all stages at any time.
pub(super) const CRM: FaultPlan = FaultPlan {
    delay_ms: 120,
    faults: Vec::new(),
};
pub(super) const SHOP: FaultPlan = FaultPlan {
    delay_ms: 20,
    faults: Vec::new(),
};

/// The effect comes after the connection was closed, while the request is still in doubt.
const ACT_LATE: FaultAction = FaultAction::EffectAfter { ms: 1_500 };

/// Longer than the project's time-out.
const LATE: FaultAction = FaultAction::Late { ms: 2_500 };

impl SystemMistake {
    /// The plan of a system with this mistake beside the usual delay.
    fn with_usual(self, usual: FaultPlan) -> FaultPlan {
        let asking = |status| FaultAction::Answer {
            status,
            retry_after: Some("1".to_owned()),
        };
        let (when, act) = match self {
            SystemMistake::Throttles => (FaultTiming::Always, asking(429)),
            SystemMistake::IsNotReady => (FaultTiming::Always, asking(503)),
            SystemMistake::Fails => (FaultTiming::OneIn(2), FaultAction::answer(500)),
            SystemMistake::RefusesCredentials => (FaultTiming::Always, FaultAction::answer(401)),
            SystemMistake::HangsUp => (FaultTiming::OneIn(2), FaultAction::HangUp),
            SystemMistake::HangsUpAfter => (FaultTiming::OneIn(3), FaultAction::HangUpAfter),
            SystemMistake::ActsLate => (FaultTiming::OneIn(3), ACT_LATE),
            SystemMistake::BreaksOff => (FaultTiming::OneIn(3), FaultAction::BreakOff),
            SystemMistake::AnswersLate => (FaultTiming::OneIn(4), LATE),
            SystemMistake::TalksNonsense => (FaultTiming::OneIn(3), FaultAction::Garbage),
        };
        let fault = Struck::new(when, act);
        // An update that takes effect late would undo a later one, and nobody could know.
        let fault = if self == SystemMistake::ActsLate {
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
