//! The course of one round.

use pomost_models::RunId;
use pomost_sandbox::CrmEdit;
use pomost_store::RunSummary;
use pomost_tests::{SeededRandom, Stack, StackOptions, eventually, with_stack};

use super::{
    check::{self, ExpectedWave},
    counts::CountWatch,
    fault::{CRM, FaultTargets, SHOP},
    schedule::{FaultGroup, RoundPlan},
    servers::RoundServers,
};

const CUSTOMERS: u32 = 300;

/// Small pages make small batches, so that more of them are under way at a time. Late responses
/// come after the time-out.
const EDITS: [(&str, &str, &str); 3] = [
    ("flows/customers.yaml", "limit=200", "limit=20"),
    ("systems/crm.yaml", "timeout: 30s", "timeout: 2s"),
    ("systems/shop.yaml", "timeout: 5s", "timeout: 2s"),
];
const EVERY_IN_ORDER: [(&str, &str, &str); 4] = {
    let [pages, crm, shop] = EDITS;
    [
        pages,
        crm,
        shop,
        (
            "flows/customers.yaml",
            "  system: shop\n",
            "  system: shop\n  order: every\n",
        ),
    ]
};

/// Runs a round, and panics where something is not as it must be.
pub(super) async fn run(schedule: &RoundPlan, servers: &mut RoundServers) {
    let options = StackOptions {
        customers: CUSTOMERS,
        // The broker soon gives the messages of a frozen service to others.
        amqp_url: Some(format!(
            "{}?heartbeat=2",
            servers.broker_wire.url(&servers.broker.url())
        )),
        database: Some(servers.database.url()),
        database_url: Some(servers.database_wire.url(&servers.database.url())),
        embedded: schedule.embedded,
        edits: if schedule.every {
            &EVERY_IN_ORDER
        } else {
            &EDITS
        },
        ..StackOptions::default()
    };
    with_stack(options, async |stack| {
        stack.crm.set_faults(CRM);
        stack.shop.set_faults(SHOP);
        let others = replicas(stack, schedule.replicas);
        let targets = FaultTargets {
            stack,
            servers,
            others,
        };
        RunningRound {
            schedule,
            random: SeededRandom::from_seed(schedule.seed),
            targets,
        }
        .run()
        .await;
    })
    .await;
}

/// The processes of each service beside the first.
fn replicas(stack: &mut Stack, of_each: usize) -> Vec<pomost_tests::Service> {
    let names: Vec<&str> = stack
        .services()
        .iter()
        .map(|service| service.name)
        .collect();
    let mut others: Vec<_> = names
        .into_iter()
        .flat_map(|name| (1..of_each).map(move |_| name))
        .map(|name| stack.another(name))
        .collect();
    others.iter_mut().for_each(pomost_tests::Service::start);
    others
}

struct RunningRound<'a> {
    schedule: &'a RoundPlan,
    random: SeededRandom,
    targets: FaultTargets<'a>,
}

impl RunningRound<'_> {
    async fn run(mut self) {
        let first = ExpectedWave::at_first(&self.targets.stack.crm);
        let (first_run, first_watch) = self.run_wave(&first, 0).await;
        if self.schedule.overlapping {
            self.targets.stack.extracted(first_run).await;
        } else {
            self.settled(first_run).await;
        }
        self.targets.stack.crm.edit(&changes());
        let second = ExpectedWave::since_the_cursor(self.targets.stack).await;
        let (second_run, second_watch) = self.run_wave(&second, 1).await;
        let first_summary = self.settled(first_run).await;
        first
            .assert_was_read(self.targets.stack, &first_summary)
            .await;
        if self.schedule.every {
            self.discard_dead_letters(first_run).await;
        }
        let second_summary = self.settled(second_run).await;
        first_watch.end().await;
        second_watch.end().await;
        self.end().await;
        let RunningRound {
            schedule,
            targets: FaultTargets { stack, .. },
            ..
        } = self;
        second.assert_was_read(stack, &second_summary).await;
        let some_are_skipped = schedule.overlapping && !schedule.every;
        check::assert_shop_got_the_right_requests(stack, [&first, &second], some_are_skipped);
    }

    /// Runs the flow over the rows that are due while faults strike.
    async fn run_wave(&mut self, due: &ExpectedWave, wave: usize) -> (RunId, CountWatch) {
        let run = self.targets.stack.request_run().await;
        let watch = CountWatch::over(self.targets.stack.store.clone(), run);
        for blow in &self.schedule.waves[wave] {
            self.wait_for_settled(run, due.rows.len() as u64 * blow.at / 100)
                .await;
            self.random.short_pause().await;
            self.strike(blow).await;
        }
        (run, watch)
    }

    /// Waits until so many records of a run have settled.
    async fn wait_for_settled(&self, run: RunId, records: u64) {
        eventually(async || match self.targets.stack.run(run).await?.counts {
            counts if counts.outcomes.values().sum::<u64>() >= records => Ok(()),
            counts => Err(format!("{counts:?}, and {records} were to settle")),
        })
        .await;
    }

    async fn strike(&mut self, blow: &FaultGroup) {
        for fault in &blow.faults {
            fault.begin(&mut self.targets).await;
            self.random.short_pause().await;
        }
        tokio::time::sleep(blow.duration).await;
        for fault in &blow.faults {
            fault.end(&mut self.targets).await;
        }
        self.restart_services_that_gave_up();
    }

    /// Starts services again that gave up while they started during an outage. One that was ready
    /// goes on whatever happens.
    fn restart_services_that_gave_up(&mut self) {
        let FaultTargets { stack, others, .. } = &mut self.targets;
        for service in stack.services().into_iter().chain(others) {
            service.restart_if_it_gave_up();
        }
    }

    async fn settled(&self, run: RunId) -> RunSummary {
        self.targets.stack.settled(run).await
    }

    /// Discards the dead letters of a run: later changes of their keys wait until somebody decides.
    async fn discard_dead_letters(&self, run: RunId) {
        let letters = self
            .targets
            .stack
            .dead_letters()
            .await
            .into_iter()
            .filter(|letter| letter.run == run);
        let ids: Vec<String> = letters.map(|letter| letter.id).collect();
        self.targets
            .stack
            .store
            .discard_dead_letters(&ids)
            .await
            .unwrap();
    }

    /// Ends all services once the queues are empty.
    async fn end(&mut self) {
        for other in &mut self.targets.others {
            other.ready().await;
            let ended = other.terminate().await;
            assert!(ended.status.success(), "{}: {ended:?}", other.name);
        }
        self.targets.stack.finish().await;
    }
}

/// The changes between the waves: many customers change, some only seem to, some are archived and
/// some are new.
fn changes() -> CrmEdit {
    let every = |step: usize, from: u32| (from..CUSTOMERS).step_by(step).collect();
    CrmEdit {
        change: every(2, 0),
        touch: every(10, 1),
        archive: every(14, 5),
        add: 15,
    }
}
