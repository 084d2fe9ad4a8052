//! The conditions of which people have to know, by subject.
//!
//! A new kind of alert is a method here that returns a text for each subject, and a line in
//! [`AlertConditions::current`].

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use pomost_project::{AlertRules, Flow};
use pomost_runtime::ServiceContext;
use pomost_store::{Outage, Result};

/// Works out of which conditions people have to know.
pub(super) struct AlertConditions<'a> {
    context: &'a ServiceContext,
    rules: &'a AlertRules,
    /// The start of this process: a flow that has never succeeded is overdue from here on.
    started_at: Timestamp,
    /// The last success of each flow, as far as it is known. It is looked up again only when it is
    /// too old.
    last_successes: BTreeMap<String, Timestamp>,
}

impl<'a> AlertConditions<'a> {
    pub(super) fn new(context: &'a ServiceContext, rules: &'a AlertRules) -> AlertConditions<'a> {
        AlertConditions {
            context,
            rules,
            started_at: Timestamp::now(),
            last_successes: BTreeMap::new(),
        }
    }

    /// The current conditions: a text for each subject, without secrets and values of records.
    /// People know of those that are `standing`.
    pub(super) async fn current(
        &mut self,
        standing: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>> {
        let mut current = self.outages().await?;
        current.extend(self.dead_letter_bursts().await?);
        current.extend(self.overdue_flows(standing).await?);
        Ok(current)
    }

    /// Systems and destinations that the project does not have any more are left out: nobody would
    /// find out that they are back.
    async fn outages(&self) -> Result<BTreeMap<String, String>> {
        let outages = self
            .context
            .store()
            .outages(Outage::FORGOTTEN_AFTER)
            .await?
            .into_iter();
        let outages = outages.filter(|outage| self.is_in_project(&outage.system));
        Ok(outages
            .map(|outage| (format!("outage:{}", outage.system), outage_text(&outage)))
            .collect())
    }

    fn is_in_project(&self, name: &str) -> bool {
        let project = &self.context.project;
        let mut flows = project.flows.values();
        project.systems.contains_key(name) || flows.any(|flow| flow.destination_name() == name)
    }

    async fn dead_letter_bursts(&self) -> Result<BTreeMap<String, String>> {
        let burst = self.rules.dead_letters;
        let since = Timestamp::now()
            .checked_sub(burst.within)
            .unwrap_or(Timestamp::MIN);
        let counts = self
            .context
            .store()
            .count_dead_letters(since)
            .await?
            .into_iter();
        let within = SignedDuration::try_from(burst.within).unwrap_or(SignedDuration::MAX);
        let bursts = counts.filter(|(_, count)| *count >= burst.count.into()).map(|(flow, count)| {
            let text = format!(
                "The flow {flow} has {count} dead letters of the last {within:#}. See `pomost dead list --flow {flow}`."
            );
            (format!("dead-letters:{flow}"), text)
        });
        Ok(bursts.collect())
    }

    async fn overdue_flows(
        &mut self,
        standing: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>> {
        let mut overdue = BTreeMap::new();
        for flow in self.context.project.flows.values() {
            let subject = format!("overdue:{}", flow.name);
            if self
                .is_overdue(flow, standing.contains_key(&subject))
                .await?
            {
                overdue.insert(subject, self.overdue_text(flow));
            }
        }
        Ok(overdue)
    }

    /// An alert that an earlier process sent stands until the flow succeeds.
    async fn is_overdue(&mut self, flow: &Flow, stands: bool) -> Result<bool> {
        if !stands && !self.seems_overdue(flow) {
            return Ok(false);
        }
        if let Some(success) = self.context.store().last_success_time(&flow.name).await? {
            self.last_successes.insert(flow.name.clone(), success);
        }
        let has_never_succeeded =
            flow.extract.schedule.is_some() && !self.last_successes.contains_key(&flow.name);
        Ok(stands && has_never_succeeded || self.seems_overdue(flow))
    }

    /// True if the flow is overdue by its last known success, without a look at the store.
    fn seems_overdue(&self, flow: &Flow) -> bool {
        let success = self
            .last_successes
            .get(&flow.name)
            .copied()
            .unwrap_or(self.started_at);
        let schedule = flow.extract.schedule.as_ref();
        let due =
            schedule.and_then(|schedule| schedule.nth_time_after(success, self.rules.overdue));
        due.is_some_and(|due| due < Timestamp::now())
    }

    fn overdue_text(&self, Flow { name, .. }: &Flow) -> String {
        let times = self.rules.overdue;
        let last = match self.last_successes.get(name) {
            Some(success) => format!("last for the run of {success:.0}"),
            None => "never as far as is known".to_owned(),
        };
        format!(
            "The flow {name} has not succeeded for {times} of its intervals, {last}. See `pomost status --flow {name}`."
        )
    }
}

fn outage_text(outage: &Outage) -> String {
    let Outage {
        system,
        since,
        reason,
        ..
    } = outage;
    let advice = match outage.is_unauthorised() {
        true => "Mend its credentials; its flows wait and then go on by themselves.",
        false => "Its flows wait and go on by themselves.",
    };
    format!("The system {system} is down since {since:.0}: {reason}. {advice}")
}
