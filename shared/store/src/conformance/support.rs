//! Workers, versions and random numbers for the behaviours.

use std::{sync::Arc, time::Duration};

use pomost_models::{Outcome, RunId, RunTrigger, SlotOutcomes, Version};
use uuid::Uuid;

use crate::{
    BatchSettlement, Claim, ClaimEntry, ClaimResult, ClaimToken, KnownRecord, RunRequest,
    SettledEntry, SettledState, Store,
};

pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// The order of extraction of a row.
pub(super) fn order(row: usize) -> Version {
    Version::of_extraction(Uuid::nil(), row)
}

/// A version that was read as this row, as messages have it.
pub(super) fn read(version: &str, row: usize) -> String {
    let version = serde_json::to_value(Version::new(version).extracted(&order(row))).unwrap();
    version.as_str().unwrap().to_owned()
}

pub(super) fn manual(flow: &str) -> RunRequest {
    RunRequest {
        flow: flow.to_owned(),
        trigger: RunTrigger::Manual,
        since: None,
    }
}

pub(super) fn mask(outcomes: &[(u32, Outcome)]) -> SlotOutcomes {
    let mut mask = SlotOutcomes::waiting(0);
    for (slot, outcome) in outcomes {
        mask.settle(*slot, *outcome);
    }
    mask
}

/// Small numbers that look random and are the same in every run.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % sides
    }
}

/// A worker that claims and settles keys of the flow `customers`.
pub(super) struct Worker {
    pub(super) store: Arc<dyn Store>,
    pub(super) token: ClaimToken,
}

impl Worker {
    pub(super) fn new(store: &Arc<dyn Store>) -> Worker {
        Worker {
            store: store.clone(),
            token: ClaimToken::generate(),
        }
    }

    pub(super) fn claim_of(&self, entries: &[(&str, &str, u8)]) -> Claim {
        let entries = entries.iter().map(|(key, version, content)| ClaimEntry {
            key: (*key).to_owned(),
            version: Version::new(*version),
            hash: [*content; 16],
            fingerprint: None,
        });
        Claim {
            flow: "customers".to_owned(),
            token: self.token,
            entries: entries.collect(),
            same_version_type: false,
            latest_only: true,
            in_flight_for: Duration::ZERO,
        }
    }

    pub(super) async fn claim_for(
        &self,
        ttl: Duration,
        entries: &[(&str, &str, u8)],
    ) -> Vec<ClaimResult> {
        self.store
            .claim(&self.claim_of(entries), ttl)
            .await
            .unwrap()
    }

    pub(super) async fn claim(&self, key: &str, version: &str, content: u8) -> ClaimResult {
        self.claim_for(MINUTE, &[(key, version, content)])
            .await
            .remove(0)
    }

    pub(super) fn settlement(&self, entries: &[(&str, SettledState)]) -> BatchSettlement {
        let entries = entries.iter().map(|(key, settled)| SettledEntry {
            key: (*key).to_owned(),
            state: settled.clone(),
        });
        BatchSettlement {
            flow: "customers".to_owned(),
            token: self.token,
            entries: entries.collect(),
            run: RunId::generate(),
            batch: "1".to_owned(),
            outcomes: SlotOutcomes::waiting(1),
        }
    }

    pub(super) async fn settle(&self, key: &str, settled: SettledState) -> Vec<String> {
        self.store
            .settle(&self.settlement(&[(key, settled)]))
            .await
            .unwrap()
    }

    /// Claims a key and settles it as applied under the id `id-KEY`.
    pub(super) async fn apply(&self, key: &str, version: &str, content: u8) {
        let result = self.claim(key, version, content).await;
        assert!(
            matches!(
                result,
                ClaimResult::Claimed(_) | ClaimResult::InDoubt { .. }
            ),
            "{result:?}"
        );
        assert!(
            self.settle(key, applied(key, version, content))
                .await
                .is_empty()
        );
    }
}

pub(super) fn applied(key: &str, version: &str, content: u8) -> SettledState {
    SettledState::Applied {
        known: known(key),
        version: Version::new(version),
        hash: [content; 16],
    }
}

pub(super) fn claimed(key: &str) -> ClaimResult {
    ClaimResult::Claimed(known(key))
}

pub(super) fn known(key: &str) -> KnownRecord {
    KnownRecord {
        id: Some(format!("id-{key}")),
        ..KnownRecord::default()
    }
}

/// The result where it is unknown if this content was applied.
pub(super) fn in_doubt(known: KnownRecord, attempted: u8) -> ClaimResult {
    ClaimResult::InDoubt {
        known,
        attempted: Some([attempted; 16]),
        still_in_flight: false,
    }
}
