//! One round.

use pomost_models::RunId;
use pomost_sandbox::CrmEdit;
use pomost_store::RunSummary;
use pomost_tests::{SeededRandom, Stack, StackOptions, eventually, with_stack};

use super::{
    check::{self, Due},
    counts::Watch,
    fault::{CRM, Field, SHOP},
    ground::Ground,
    schedule::{Blow, Schedule},
};

const CUSTOMERS: u32 = 300;

/// Small pages make small batches: more of them are under way at a time. The time-out is under what a late
/// answer takes.
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
pub(super) async fn run(schedule: &Schedule, ground: &mut Ground) {
    let options = StackOptions {
        customers: CUSTOMERS,
        // So that the broker soon gives what somebody who stands still has taken to others.
        amqp_url: Some(format!(
            "{}?heartbeat=2",
            ground.broker_wire.url(&ground.broker.url())
        )),
        database: Some(ground.database.url()),
        database_url: Some(ground.database_wire.url(&ground.database.url())),
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
        let field = Field {
            stack,
            ground,
            others,
        };
        Round {
            schedule,
            chance: SeededRandom::from_seed(schedule.seed),
            field,
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

struct Round<'a> {
    schedule: &'a Schedule,
    chance: SeededRandom,
    field: Field<'a>,
}

impl Round<'_> {
    async fn run(mut self) {
        let first = Due::at_first(&self.field.stack.crm);
        let (first_run, first_watch) = self.wave(&first, 0).await;
        if self.schedule.overlapping {
            self.field.stack.extracted(first_run).await;
        } else {
            self.settled(first_run).await;
        }
        self.field.stack.crm.edit(&changes());
        let second = Due::since_the_cursor(self.field.stack).await;
        let (second_run, second_watch) = self.wave(&second, 1).await;
        let first_summary = self.settled(first_run).await;
        first.was_read(self.field.stack, &first_summary).await;
        if self.schedule.every {
            self.discard_what_others_wait_for(first_run).await;
        }
        let second_summary = self.settled(second_run).await;
        first_watch.end().await;
        second_watch.end().await;
        self.end().await;
        let Round {
            schedule,
            field: Field { stack, .. },
            ..
        } = self;
        second.was_read(stack, &second_summary).await;
        let some_are_skipped = schedule.overlapping && !schedule.every;
        check::the_shop_was_asked_for_what_was_due(stack, [&first, &second], some_are_skipped);
    }

    /// Has a run read what is due while faults strike.
    async fn wave(&mut self, due: &Due, wave: usize) -> (RunId, Watch) {
        let run = self.field.stack.request_run().await;
        let watch = Watch::over(self.field.stack.store.clone(), run);
        for blow in &self.schedule.waves[wave] {
            self.has_settled(run, due.rows.len() as u64 * blow.at / 100)
                .await;
            self.chance.short_pause().await;
            self.strike(blow).await;
        }
        (run, watch)
    }

    /// Waits until so many records of a run have settled.
    async fn has_settled(&self, run: RunId, records: u64) {
        eventually(async || match self.field.stack.run(run).await?.counts {
            counts if counts.outcomes.values().sum::<u64>() >= records => Ok(()),
            counts => Err(format!("{counts:?}, and {records} were to settle")),
        })
        .await;
    }

    async fn strike(&mut self, blow: &Blow) {
        for fault in &blow.faults {
            fault.begin(&mut self.field).await;
            self.chance.short_pause().await;
        }
        tokio::time::sleep(blow.lasts).await;
        for fault in &blow.faults {
            fault.end(&mut self.field).await;
        }
        self.start_the_fallen();
    }

    /// A service that comes up amidst an outage may give up, and be started again by whoever looks after
    /// it. One that was ready goes on whatever happens.
    fn start_the_fallen(&mut self) {
        let Field { stack, others, .. } = &mut self.field;
        for service in stack.services().into_iter().chain(others) {
            service.restart_if_it_gave_up();
        }
    }

    async fn settled(&self, run: RunId) -> RunSummary {
        self.field.stack.settled(run).await
    }

    /// A change that is dead holds up those after it until somebody decides.
    async fn discard_what_others_wait_for(&self, run: RunId) {
        let letters = self
            .field
            .stack
            .dead_letters()
            .await
            .into_iter()
            .filter(|letter| letter.run == run);
        let ids: Vec<String> = letters.map(|letter| letter.id).collect();
        self.field
            .stack
            .store
            .discard_dead_letters(&ids)
            .await
            .unwrap();
    }

    /// Ends all services, once they have done all that there is to do.
    async fn end(&mut self) {
        for other in &mut self.field.others {
            other.ready().await;
            let ended = other.terminate().await;
            assert!(ended.status.success(), "{}: {ended:?}", other.name);
        }
        self.field.stack.finish().await;
    }
}

/// Many change, some only seem to, some go and some come.
fn changes() -> CrmEdit {
    let every = |step: usize, from: u32| (from..CUSTOMERS).step_by(step).collect();
    CrmEdit {
        change: every(2, 0),
        touch: every(10, 1),
        archive: every(14, 5),
        add: 15,
    }
}
