//! What every [`Store`] promises, as behaviours that a test runs over each implementation.
//!
//! Time does not pass in them: a claim or a lease that is to run out is taken for no time at all.
#![allow(clippy::unwrap_used)]

mod alerts;
mod changes;
mod dead_letters;
mod grants;
mod leases;
mod ledger;
mod parts;
mod races;
mod replays;
mod runs;
mod slots;
mod source_keys;
mod standing;
mod standing_model;
mod webhooks;

use std::{sync::Arc, time::Duration};

use pomost_models::{Outcome, RunId, RunTrigger, SlotOutcomes, Version};
use uuid::Uuid;

use crate::{
    BatchSettlement, Claim, ClaimEntry, ClaimResult, ClaimToken, KnownRecord, RunRequest,
    SettledEntry, SettledState, Store,
};

pub use alerts::*;
pub use changes::*;
pub use dead_letters::*;
pub use grants::*;
pub use leases::*;
pub use ledger::*;
pub use parts::*;
pub use races::*;
pub use replays::*;
pub use runs::*;
pub use slots::*;
pub use source_keys::*;
pub use standing::*;
pub use standing_model::*;
pub use webhooks::*;

/// Makes one `#[tokio::test]` of each behaviour. `$on_a_store` is an `async fn` that calls the
/// behaviour it is given with an empty `Arc<dyn Store>` of its own, and clears up behind it.
#[macro_export]
macro_rules! every_behaviour {
    ($on_a_store:path) => {
        $crate::every_behaviour! { $on_a_store:
            it_answers_when_asked
            one_holder_at_a_time_has_a_lease
            a_lease_that_ran_out_goes_to_the_next_with_a_higher_token
            a_holder_may_take_its_own_lease_again
            a_lease_is_renewed_until_somebody_else_takes_it
            a_lease_given_back_is_free_at_once_and_its_token_is_worth_nothing
            of_many_takers_at_once_one_gets_the_lease
            the_run_that_was_begun_comes_before_the_oldest_requested_one
            a_run_is_read_on_from_its_last_recorded_page
            a_run_goes_from_requested_to_settled
            a_run_without_records_settles_when_it_has_been_read
            a_run_that_cannot_be_read_fails_with_its_reason_and_keeps_the_cursor
            nothing_is_recorded_for_who_lost_the_lease
            a_page_recorded_twice_counts_once_and_may_have_grown
            a_page_recorded_with_fewer_records_waits_for_no_others
            outcomes_that_come_before_their_page_are_counted
            the_cursor_moves_when_a_run_ends_and_not_by_a_late_repetition
            a_cursor_can_be_set_and_cleared
            what_is_odd_about_a_run_is_kept_with_it
            a_key_that_a_run_does_not_list_is_missing_from_it
            keys_of_who_lost_the_lease_are_not_noted
            a_flow_has_applied_something_when_its_ledger_has_a_key
            runs_are_listed_newest_first
            the_newest_request_of_each_trigger_is_known
            counts_add_up_however_often_outcomes_are_recorded
            texts_cross_with_every_character_they_have
            a_webhook_s_run_is_as_settled_as_what_was_delivered_so_far
            a_delivery_is_known_once_it_has_arrived
            a_delivery_is_remembered_for_a_while
            arrivals_at_once_are_all_counted
            a_new_key_is_ours_to_act_on
            an_applied_record_is_known_by_its_id_and_is_unchanged_the_next_time
            a_deleted_record_has_no_id
            all_that_is_known_of_a_record_at_its_destination_is_kept
            an_older_version_is_stale_and_an_equal_one_is_not
            of_equal_versions_the_one_that_was_read_earlier_is_stale
            what_has_no_version_is_ordered_by_when_it_was_read
            versions_of_different_types_do_not_compare
            unchanged_content_of_a_newer_version_makes_late_older_content_stale
            a_key_is_busy_while_another_worker_holds_it
            claiming_again_with_the_same_token_gives_the_same_answer
            a_claim_that_ran_out_leaves_its_keys_in_doubt_until_something_is_applied
            doubt_that_a_worker_reported_is_told_to_the_next
            somebody_s_word_resolves_a_doubt
            somebody_s_word_changes_nothing_where_there_is_no_doubt
            while_a_key_is_in_doubt_what_was_attempted_first_is_known
            what_is_in_doubt_may_be_under_way_for_a_while
            what_an_expired_claim_asked_for_may_be_under_way_for_a_while
            an_older_version_is_stale_even_in_doubt
            a_renewed_claim_does_not_run_out
            who_lost_a_claim_cannot_settle_it_and_is_told_so
            a_settlement_counts_its_batch
            settling_twice_changes_nothing
            answers_come_in_the_order_of_the_entries
            flows_do_not_share_keys
            a_thousand_keys_are_claimed_and_settled_at_once
            nobody_holds_a_key_that_another_holds
            batches_with_the_same_keys_in_any_order_do_not_block_each_other
            the_ledger_ends_at_the_newest_version_whoever_wins_the_races
            outcomes_of_one_batch_recorded_by_many_are_all_kept
            a_shape_is_noted_while_the_one_before_it_holds
            a_part_that_went_away_remains_until_that_is_in_the_ledger
            a_whole_record_remains_until_its_deletion_is_in_the_ledger
            a_flow_has_split_records_while_parts_of_any_may_be_left
            a_change_is_behind_every_earlier_one_of_its_key_that_has_not_settled
            changes_of_one_version_wait_for_those_that_were_read_before_them
            a_batch_noted_again_stands_for_the_records_it_has_then
            who_was_succeeded_neither_forgets_nor_confirms_what_was_read_after_it
            a_change_that_was_not_confirmed_is_given_up_after_a_while
            a_parked_record_comes_back_when_nothing_is_before_it
            a_slot_that_was_read_twice_is_parked_twice_and_waited_for_once
            a_record_that_is_taken_from_the_park_is_nobody_else_s_for_a_while
            a_record_that_is_given_back_to_the_park_is_anybody_s_again
            a_record_that_is_parked_again_is_not_forgotten_by_who_took_it
            nobody_waits_for_a_dead_change_that_is_outdated
            a_dead_change_blocks_those_behind_it_until_it_is_discarded
            a_version_of_another_type_than_the_one_applied_is_refused_by_those_who_ask_for_it
            a_dead_letter_is_kept_whole_and_once
            a_dead_letter_counts_its_slot
            letters_of_several_runs_and_batches_are_archived_together
            a_letter_of_an_unreadable_message_has_no_slot
            dead_letters_are_found_by_flow_stage_reason_and_run
            dead_letters_are_listed_oldest_first_page_by_page
            closed_dead_letters_are_found_by_those_who_ask_for_them
            a_dead_letter_is_discarded_once
            a_newer_version_that_was_applied_supersedes_a_dead_letter
            neither_the_same_version_nor_an_older_one_supersedes_a_dead_letter
            the_same_version_that_was_read_later_supersedes_a_dead_letter
            a_record_that_died_is_dead_when_it_is_read_again
            a_record_that_died_before_the_load_is_tried_there
            what_was_applied_meanwhile_makes_a_dead_record_one_to_be_tried_again
            of_letters_of_equal_fate_one_is_kept_and_every_slot_counts
            a_letter_that_comes_again_is_not_its_own_repetition
            a_record_without_a_key_is_known_by_its_content
            a_discarded_letter_stands_and_a_replayed_one_does_not
            a_letter_outdates_those_of_older_versions_where_the_newest_alone_matters
            what_died_of_every_change_is_kept
            a_dead_change_that_is_read_again_waits_for_nothing_and_nothing_for_it
            what_waits_for_a_dead_change_waits_also_when_that_is_found_dead
            what_a_claim_does_not_find_dead_waits_for_its_turn
            a_letter_is_as_new_as_its_record_that_was_read_last
            a_letter_of_every_change_stays_of_the_change_that_died
            of_letters_of_one_key_that_come_together_the_newest_stays_open
            a_doubt_is_outdated_by_a_newer_doubt_alone
            a_row_that_is_told_again_needs_no_second_letter_while_the_first_is_open
            many_archivers_at_once_keep_one_letter_of_a_fate
            letters_are_as_a_model_of_them_whatever_happens
            a_replay_is_begun_and_ended_and_never_extracted
            a_replay_takes_open_letters_that_no_other_has
            letters_that_a_replay_did_not_send_are_free_again
            a_replay_that_ended_is_not_ended_again
            a_grant_follows_the_one_before_it
            a_grant_that_was_succeeded_is_not_written_over
            a_grant_written_twice_is_one
            of_many_successors_of_a_grant_one_is_written
            a_refusal_lasts_until_the_next_grant
            systems_and_configurations_do_not_share_grants
            slots_are_given_away_one_interval_apart
            slots_are_given_away_no_further_ahead_than_asked_for
            slots_that_nobody_took_in_time_are_late_up_to_the_burst
            it_is_known_for_how_long_a_system_is_held
            slots_of_a_slowed_system_are_further_apart
            a_hold_moves_the_next_slot_of_its_system
            a_new_pace_counts_from_the_last_slot_on
            of_many_who_reserve_slots_each_gets_its_own
            an_outage_lasts_since_somebody_noticed_it_first_and_has_the_reason_that_was_seen_last
            an_outage_that_nobody_sees_any_more_is_forgotten
            an_alert_stands_until_it_is_cleared
            open_dead_letters_are_counted_by_flow_from_a_time_on
            the_last_success_is_the_newest_run_of_which_all_has_settled
        }
    };
    ($on_a_store:path: $($behaviour:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                $on_a_store($crate::conformance::$behaviour).await
            }
        )*
    };
}

const MINUTE: Duration = Duration::from_secs(60);

/// It answers when it is asked whether it does.
pub async fn it_answers_when_asked(store: Arc<dyn Store>) {
    store.ping().await.unwrap();
}

/// The order of extraction of a row among others.
fn order(row: usize) -> Version {
    Version::of_extraction(Uuid::nil(), row)
}

/// A version that was read there, as messages have it.
fn read(version: &str, row: usize) -> String {
    let version = serde_json::to_value(Version::new(version).extracted(&order(row))).unwrap();
    version.as_str().unwrap().to_owned()
}

fn manual(flow: &str) -> RunRequest {
    RunRequest {
        flow: flow.to_owned(),
        trigger: RunTrigger::Manual,
        since: None,
    }
}

fn mask(outcomes: &[(u32, Outcome)]) -> SlotOutcomes {
    let mut mask = SlotOutcomes::waiting(0);
    for (slot, outcome) in outcomes {
        mask.settle(*slot, *outcome);
    }
    mask
}

/// Small numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % sides
    }
}

/// A worker that claims and settles keys of the flow `customers`.
struct Worker {
    store: Arc<dyn Store>,
    token: ClaimToken,
}

impl Worker {
    fn new(store: &Arc<dyn Store>) -> Worker {
        Worker {
            store: store.clone(),
            token: ClaimToken::generate(),
        }
    }

    fn claim_of(&self, entries: &[(&str, &str, u8)]) -> Claim {
        let entries = entries.iter().map(|(key, version, content)| ClaimEntry {
            key: (*key).to_owned(),
            version: Version::new(*version),
            hash: [*content; 16],
            fate: None,
        });
        Claim {
            flow: "customers".to_owned(),
            token: self.token,
            entries: entries.collect(),
            refuses_mixed: false,
            newest_alone: true,
            patience: Duration::ZERO,
        }
    }

    async fn claim_for(&self, ttl: Duration, entries: &[(&str, &str, u8)]) -> Vec<ClaimResult> {
        self.store
            .claim(&self.claim_of(entries), ttl)
            .await
            .unwrap()
    }

    async fn claim(&self, key: &str, version: &str, content: u8) -> ClaimResult {
        self.claim_for(MINUTE, &[(key, version, content)])
            .await
            .remove(0)
    }

    fn settlement(&self, entries: &[(&str, SettledState)]) -> BatchSettlement {
        let entries = entries.iter().map(|(key, settled)| SettledEntry {
            key: (*key).to_owned(),
            settled: settled.clone(),
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

    async fn settle(&self, key: &str, settled: SettledState) -> Vec<String> {
        self.store
            .settle(&self.settlement(&[(key, settled)]))
            .await
            .unwrap()
    }

    /// Claims a key and settles it as applied under the id `id-KEY`.
    async fn apply(&self, key: &str, version: &str, content: u8) {
        let answer = self.claim(key, version, content).await;
        assert!(
            matches!(
                answer,
                ClaimResult::Claimed(_) | ClaimResult::InDoubt { .. }
            ),
            "{answer:?}"
        );
        assert!(
            self.settle(key, applied(key, version, content))
                .await
                .is_empty()
        );
    }
}

fn applied(key: &str, version: &str, content: u8) -> SettledState {
    SettledState::Applied {
        known: known(key),
        version: Version::new(version),
        hash: [content; 16],
    }
}

fn act_on(key: &str) -> ClaimResult {
    ClaimResult::Claimed(known(key))
}

fn known(key: &str) -> KnownRecord {
    KnownRecord {
        id: Some(format!("id-{key}")),
        ..KnownRecord::default()
    }
}

/// The answer where this content was attempted and its outcome is not known.
fn unknown(known: KnownRecord, attempted: u8) -> ClaimResult {
    ClaimResult::InDoubt {
        known,
        attempted: Some([attempted; 16]),
        still_in_flight: false,
    }
}
