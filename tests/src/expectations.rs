//! Conditions that must hold at the end of a test.

use pomost_models::{Outcome, RunId};
use pomost_sandbox::verify;
use pomost_store::RunSummary;

use crate::Stack;

impl Stack {
    /// Waits until the run has settled and ends the services. Then the shop has exactly the right
    /// customers, nothing was lost or created twice, every repeated request had the same content,
    /// the right records are dead, and the run's counts add up.
    pub async fn all_crossed_once(&mut self, run: RunId) {
        let summary = self.settled(run).await;
        self.finish().await;
        self.shop_is_right();
        self.only_the_hopeless_are_dead().await;
        self.counts_add_up(&summary);
    }

    /// The shop has exactly the right customers, each created once.
    pub fn shop_is_right(&self) {
        self.shop_has_the_right_customers();
        let counts = self.shop.counts();
        assert_eq!(counts.created, self.crm.expected().present.len() as u64);
    }

    /// The shop has exactly the right customers, digit for digit.
    pub fn shop_has_the_right_customers(&self) {
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

    /// Every record has an outcome, and every update repeated a create whose outcome was not known.
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
