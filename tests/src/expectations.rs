//! What must be true in the end.

use pomost_models::{Outcome, RunId};
use pomost_sandbox::verify;
use pomost_store::RunSummary;

use crate::Stack;

impl Stack {
    /// Once the run has settled and the services have ended: the shop has what it must, nothing was
    /// lost or created twice, what was sent again was the same, the right records are dead, and the
    /// run's counts add up.
    pub async fn all_crossed_once(&mut self, run: RunId) {
        let summary = self.settled(run).await;
        self.finish().await;
        self.shop_is_right();
        self.only_the_hopeless_are_dead().await;
        self.counts_add_up(&summary);
    }

    /// The shop has exactly the customers it must have, each created once.
    pub fn shop_is_right(&self) {
        self.has_what_it_must();
        let counts = self.shop.counts();
        assert_eq!(counts.created, self.crm.expected().present.len() as u64);
    }

    /// The shop has exactly the customers it must have, digit for digit.
    pub fn has_what_it_must(&self) {
        if let Err(differences) = verify(&self.crm.expected(), &self.shop.snapshot()) {
            let some: Vec<String> = differences
                .iter()
                .take(10)
                .map(ToString::to_string)
                .collect();
            panic!(
                "{} differences, such as:\n{}",
                differences.len(),
                some.join("\n")
            );
        }
    }

    /// The dead letters are those of the records that cannot cross, each once.
    pub async fn only_the_hopeless_are_dead(&self) {
        let letters = self.dead_letters().await;
        let mut dead: Vec<&str> = letters.iter().map(|letter| letter.key()).collect();
        dead.sort_unstable();
        let expected = self.crm.expected();
        assert_eq!(
            dead,
            expected.dead.keys().map(String::as_str).collect::<Vec<_>>()
        );
    }

    /// In a first run, updates are creates that were sent again to be sure.
    fn counts_add_up(&self, summary: &RunSummary) {
        let (expected, counts) = (self.crm.expected(), &summary.counts);
        let (present, dead) = (expected.present.len() as u64, expected.dead.len() as u64);
        let customers = self.crm.customers().count() as u64;
        assert_eq!(counts.records, customers, "{counts:?}");
        assert_eq!(
            counts.count(Outcome::Created) + counts.count(Outcome::Updated),
            present,
            "{counts:?}"
        );
        assert_eq!(counts.count(Outcome::Dead), dead, "{counts:?}");
        // Customers that were archived before they ever crossed.
        assert_eq!(
            counts.count(Outcome::Unchanged),
            customers - present - dead,
            "{counts:?}"
        );
        let sent = self.shop.counts();
        assert_eq!(sent.updated, sent.repeated, "{sent:?}");
    }
}
