//! What people have to know at a time, by subject.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use pomost_project::{AlertRules, Flow};
use pomost_runtime::ServiceContext;
use pomost_store::{Outage, Result};

/// Works out what people have to know.
pub(super) struct Conditions<'a> {
    context: &'a ServiceContext,
    alerts: &'a AlertRules,
    /// When it began: a flow that has never succeeded is overdue from here.
    since: Timestamp,
    /// When flows succeeded, as far as it is known. It is looked up anew only when it is too long ago.
    successes: BTreeMap<String, Timestamp>,
}

impl<'a> Conditions<'a> {
    /// Those that a project asks for.
    pub(super) fn new(context: &'a ServiceContext, alerts: &'a AlertRules) -> Conditions<'a> {
        Conditions {
            context,
            alerts,
            since: Timestamp::now(),
            successes: BTreeMap::new(),
        }
    }

    /// What people have to know now: a text for each subject, without secrets and values of records. They may know
    /// it already: then it stands.
    pub(super) async fn now(
        &mut self,
        standing: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>> {
        let mut now = self.outages().await?;
        now.extend(self.bursts().await?);
        now.extend(self.overdue(standing).await?);
        Ok(now)
    }

    /// Of a system that the project does not have any more, nobody will find out that it is back.
    async fn outages(&self) -> Result<BTreeMap<String, String>> {
        let outages = self
            .context
            .store()
            .outages(Outage::FORGOTTEN_AFTER)
            .await?
            .into_iter();
        let outages =
            outages.filter(|outage| self.context.project.systems.contains_key(&outage.system));
        Ok(outages
            .map(|outage| (format!("outage:{}", outage.system), down(&outage)))
            .collect())
    }

    async fn bursts(&self) -> Result<BTreeMap<String, String>> {
        let burst = self.alerts.dead_letters;
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

    async fn overdue(
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
                overdue.insert(subject, self.late(flow));
            }
        }
        Ok(overdue)
    }

    /// What people were told by a process that began earlier stands until the flow succeeds.
    async fn is_overdue(&mut self, flow: &Flow, stands: bool) -> Result<bool> {
        if !stands && !self.seems_overdue(flow) {
            return Ok(false);
        }
        if let Some(success) = self.context.store().last_success_time(&flow.name).await? {
            self.successes.insert(flow.name.clone(), success);
        }
        let has_never_succeeded =
            flow.extract.schedule.is_some() && !self.successes.contains_key(&flow.name);
        Ok(stands && has_never_succeeded || self.seems_overdue(flow))
    }

    /// As far as it is known here when the flow succeeded.
    fn seems_overdue(&self, flow: &Flow) -> bool {
        let success = self
            .successes
            .get(&flow.name)
            .copied()
            .unwrap_or(self.since);
        let schedule = flow.extract.schedule.as_ref();
        let due = schedule.and_then(|schedule| schedule.after(success, self.alerts.overdue));
        due.is_some_and(|due| due < Timestamp::now())
    }

    fn late(&self, Flow { name, .. }: &Flow) -> String {
        let times = self.alerts.overdue;
        let last = match self.successes.get(name) {
            Some(success) => format!("last for the run of {success:.0}"),
            None => "never as far as is known".to_owned(),
        };
        format!(
            "The flow {name} has not succeeded for {times} of its intervals, {last}. See `pomost status --flow {name}`."
        )
    }
}

fn down(outage: &Outage) -> String {
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
