//! The behaviours that every [`Store`] promises. A test runs them over each implementation.
//!
//! They do not wait for time to pass: a claim or a lease that is to run out is taken for zero
//! seconds.
#![allow(clippy::unwrap_used)]

mod alerts;
mod changes;
mod cursors;
mod dead_letters;
mod deliveries;
mod grants;
mod in_doubt;
mod leases;
mod ledger;
mod outages;
mod outcomes;
mod parked;
mod parts;
mod races;
mod rate_slots;
mod replays;
mod runs;
mod settlements;
mod source_keys;
mod standing_letters;
mod standing_letters_model;
mod support;

use std::sync::Arc;

use crate::Store;

pub use alerts::*;
pub use changes::*;
pub use cursors::*;
pub use dead_letters::*;
pub use deliveries::*;
pub use grants::*;
pub use in_doubt::*;
pub use leases::*;
pub use ledger::*;
pub use outages::*;
pub use outcomes::*;
pub use parked::*;
pub use parts::*;
pub use races::*;
pub use rate_slots::*;
pub use replays::*;
pub use runs::*;
pub use settlements::*;
pub use source_keys::*;
pub use standing_letters::*;
pub use standing_letters_model::*;

/// Makes a `#[tokio::test]` of each behaviour. `$on_a_store` is an `async fn` that calls a
/// behaviour with an empty `Arc<dyn Store>` of its own, and cleans up afterwards.
#[macro_export]
macro_rules! every_behaviour {
    ($on_a_store:path) => {
        $crate::every_behaviour! { $on_a_store:
            it_answers_a_ping
            a_shape_is_noted_while_the_one_before_it_holds
            a_part_that_went_away_remains_until_that_is_in_the_ledger
            a_whole_record_remains_until_its_deletion_is_in_the_ledger
            a_flow_has_split_records_once_any_record_has_a_shape
            one_holder_at_a_time_has_a_lease
            a_lease_that_ran_out_goes_to_the_next_with_a_higher_token
            a_holder_may_take_its_own_lease_again
            a_lease_is_renewed_until_somebody_else_takes_it
            a_released_lease_is_free_at_once_and_its_token_is_invalid
            of_many_takers_at_once_one_gets_the_lease
            the_run_that_was_begun_comes_before_the_oldest_requested_one
            a_run_is_read_on_from_its_last_recorded_page
            a_run_goes_from_requested_to_settled
            a_run_without_records_settles_when_it_has_been_read
            a_run_that_cannot_be_read_fails_with_its_reason_and_keeps_the_cursor
            nothing_is_recorded_for_a_holder_that_lost_its_lease
            a_page_recorded_twice_counts_once_and_may_have_grown
            a_page_recorded_with_fewer_records_waits_for_no_others
            a_page_read_again_with_fewer_rows_settles
            outcomes_that_come_before_their_page_are_counted
            the_cursor_moves_when_a_run_ends_and_not_by_a_late_repetition
            a_cursor_can_be_set_and_cleared
            a_cursor_that_is_set_before_a_run_has_ended_stays_as_it_was_set
            the_warning_of_a_run_is_kept_with_it
            a_key_that_a_run_does_not_list_is_missing_from_it
            keys_are_not_recorded_for_a_holder_that_lost_its_lease
            a_flow_has_applied_records_when_its_ledger_has_a_key
            runs_are_listed_newest_first
            the_newest_request_of_each_trigger_is_known
            counts_add_up_however_often_outcomes_are_recorded
            texts_come_back_with_every_character_they_have
            a_webhook_run_is_settled_when_all_that_was_delivered_so_far_is
            a_delivery_is_known_once_it_has_arrived
            a_delivery_is_remembered_for_a_while
            arrivals_at_once_are_all_counted
            a_new_key_is_claimed_without_a_known_record
            an_applied_record_is_known_by_its_id_and_is_unchanged_the_next_time
            a_deleted_record_has_no_id
            all_that_is_known_of_a_record_at_its_destination_is_kept
            an_older_version_is_stale_and_an_equal_one_is_not
            of_equal_versions_the_one_that_was_read_earlier_is_stale
            a_record_without_a_version_is_ordered_by_when_it_was_read
            versions_of_different_types_do_not_compare
            unchanged_content_of_a_newer_version_makes_late_older_content_stale
            a_key_that_another_worker_holds_is_claimed_elsewhere
            claiming_again_with_the_same_token_gives_the_same_result
            a_claim_that_ran_out_leaves_its_keys_in_doubt_until_something_is_applied
            a_key_that_a_worker_left_in_doubt_is_in_doubt_for_the_next
            an_operator_s_word_resolves_a_key_in_doubt
            an_operator_s_word_changes_nothing_where_a_key_is_not_in_doubt
            while_a_key_is_in_doubt_the_content_attempted_first_is_known
            a_request_in_doubt_may_be_in_flight_for_a_while
            a_request_of_an_expired_claim_may_be_in_flight_for_a_while
            an_older_version_is_stale_even_in_doubt
            a_renewed_claim_does_not_run_out
            a_worker_that_lost_its_claim_cannot_settle_it_and_learns_so
            a_settlement_counts_its_batch
            settling_twice_changes_nothing
            results_come_in_the_order_of_the_entries
            flows_do_not_share_keys
            a_thousand_keys_are_claimed_and_settled_at_once
            no_worker_holds_a_key_that_another_holds
            batches_with_the_same_keys_in_any_order_do_not_block_each_other
            the_ledger_ends_at_the_newest_version_whoever_wins_the_races
            outcomes_of_one_batch_recorded_by_many_are_all_kept
            a_change_is_blocked_by_every_earlier_one_of_its_key_that_has_not_settled
            changes_of_one_version_wait_for_those_that_were_read_before_them
            a_batch_that_is_registered_again_stands_for_the_records_it_has_then
            a_succeeded_extractor_neither_forgets_nor_confirms_changes_that_were_read_after_its_own
            a_change_that_was_not_confirmed_is_forgotten_after_a_while
            a_parked_record_comes_back_when_nothing_blocks_it
            a_slot_that_was_read_twice_is_parked_twice_and_counted_once
            a_claimed_parked_record_is_given_to_no_other_worker_for_a_while
            a_released_parked_record_is_given_to_the_next_worker
            a_record_that_is_parked_again_is_not_deleted_by_the_worker_that_claimed_it
            an_outdated_dead_change_blocks_nothing
            a_dead_change_blocks_later_ones_until_it_is_discarded
            a_version_of_another_type_than_the_one_applied_is_refused_on_demand
            a_dead_letter_is_archived_whole_and_once
            a_dead_letter_counts_its_slot
            letters_of_several_runs_and_batches_are_archived_together
            a_letter_of_an_unreadable_message_has_no_slot
            dead_letters_are_found_by_flow_stage_reason_and_run
            dead_letters_are_listed_oldest_first_page_by_page
            closed_dead_letters_are_found_by_a_filter_that_includes_them
            a_dead_letter_is_discarded_once
            a_newer_version_that_was_applied_supersedes_a_dead_letter
            neither_the_same_version_nor_an_older_one_supersedes_a_dead_letter
            the_same_version_that_was_read_later_supersedes_a_dead_letter
            a_record_that_died_is_dead_when_it_is_read_again
            a_record_that_died_before_the_load_is_tried_there
            a_dead_record_is_tried_again_after_another_was_applied
            of_equal_letters_one_is_kept_and_every_slot_counts
            a_letter_that_is_archived_again_is_not_its_own_repetition
            a_record_without_a_key_is_known_by_its_content
            a_discarded_letter_stands_and_a_replayed_one_does_not
            a_letter_supersedes_those_of_older_versions_where_only_the_latest_matters
            letters_of_all_versions_are_kept_where_every_change_matters
            a_dead_change_that_is_read_again_is_not_blocked_and_blocks_nothing
            a_dead_change_still_blocks_when_its_message_is_redelivered
            a_record_that_a_claim_would_try_is_blocked_as_others_are
            a_letter_is_as_new_as_its_record_that_was_read_last
            a_letter_keeps_the_version_that_died_where_every_change_matters
            of_letters_of_one_key_that_come_together_the_newest_stays_open
            a_letter_in_doubt_is_superseded_by_a_newer_one_in_doubt_alone
            a_webhook_row_that_comes_again_needs_no_second_letter_while_the_first_is_open
            many_archivers_at_once_keep_one_of_equal_letters
            letters_are_as_a_model_of_them_whatever_happens
            a_replay_is_begun_and_ended_and_never_extracted
            a_replay_gets_open_letters_that_no_other_has
            letters_that_a_replay_did_not_send_are_free_again
            a_replay_that_ended_is_not_ended_again
            a_grant_follows_the_one_before_it
            a_grant_that_was_replaced_is_not_written_over
            a_grant_written_twice_is_one
            of_many_successors_of_a_grant_one_is_written
            a_refusal_lasts_until_the_next_grant
            systems_and_configurations_do_not_share_grants
            slots_are_given_away_one_interval_apart
            slots_are_given_away_no_further_ahead_than_asked_for
            slots_that_nobody_took_in_time_are_late_up_to_the_burst
            the_remaining_hold_of_a_system_is_known
            a_released_hold_ends_at_once
            slots_of_a_slowed_system_are_further_apart
            a_hold_moves_the_next_slot_of_its_system
            a_new_pace_counts_from_the_last_slot_on
            of_many_callers_that_reserve_slots_each_gets_its_own
            an_outage_lasts_since_it_was_seen_first_and_has_the_reason_that_was_seen_last
            an_outage_that_nobody_sees_any_more_is_forgotten
            an_alert_stands_until_it_is_cleared
            open_dead_letters_are_counted_by_flow_from_a_time_on
            the_last_success_is_the_newest_run_of_which_all_has_settled
            a_run_whose_records_all_died_is_no_success
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

/// The database can be reached.
pub async fn it_answers_a_ping(store: Arc<dyn Store>) {
    store.ping().await.unwrap();
}
