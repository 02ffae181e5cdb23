//! What every store promises, whatever database it stands on. A case knows `dyn Store` and a back door; each database
//! runs all of them.

mod adding;
mod audit;
mod bench;
mod changes;
mod checks;
mod filing;
mod keys;
mod lists;
mod premises;
mod retention;
mod shared;
mod tokens;

/// Runs every case on a database: `$open` makes a fresh bench.
macro_rules! contract {
    ($open:path) => {
        contract! { $open:
            changes {
                what_is_not_there_is_none,
                names_and_servers_are_unique_in_their_place,
                an_update_takes_only_the_revision_it_was_made_from,
                an_update_without_a_password_keeps_the_stored_one,
                deleting_a_scope_takes_everything_in_it_but_its_events,
                an_organization_with_projects_cannot_be_deleted,
                a_change_that_is_dropped_never_happened_and_blocks_nobody,
                a_change_sees_itself_and_others_see_it_when_it_is_committed,
                a_change_whose_event_is_refused_never_happened,
                a_change_in_which_a_statement_failed_cannot_be_committed,
                concurrent_writers_wait_for_their_turn_and_all_succeed,
                a_closed_store_is_unavailable,
            }
            adding {
                a_credential_is_added_with_its_event_or_not_at_all,
                of_many_credentials_exactly_those_are_added_against_which_nothing_stands,
                many_credentials_of_which_one_is_refused_are_not_added,
            }
            checks {
                a_check_is_shown_with_the_password_that_it_was_of,
                a_check_ends_nothing_that_is_remembered,
                each_login_that_is_handed_out_has_its_turn_once_in_a_time,
                a_login_that_was_refused_is_left_alone_until_its_password_is_another,
                all_logins_have_their_turn_in_their_order,
                a_part_without_anybody_whose_turn_it_is_is_passed_over,
                of_those_who_look_at_once_each_is_given_others,
            }
            lists {
                credentials_in_force_are_the_own_ones_and_those_not_overridden,
                pages_of_credentials_hold_what_was_there_while_others_are_added,
                pages_of_names_go_on_behind_a_name,
                a_list_by_server_finds_the_one_in_force,
                times_are_kept_to_the_microsecond,
                a_row_that_cannot_be_read_is_named_and_hides_no_other,
            }
            tokens {
                a_token_is_found_by_its_code_alone,
                a_token_ends_by_the_clock_of_the_database,
                tokens_belong_to_exactly_one_scope,
                an_operator_token_that_is_good_is_told_from_one_that_has_ended,
            }
            keys {
                a_retired_master_key_takes_no_data_keys,
                one_master_key_at_most_is_active,
                stale_data_keys_are_listed_until_they_are_rewrapped,
                a_rewrapping_takes_only_what_it_was_made_from,
                every_scope_has_one_data_key_and_the_deployment_one,
            }
            audit {
                events_come_back_as_they_were_written_and_in_the_order_of_commits,
                appending_is_all_or_nothing,
                the_log_goes_on_after_a_failure,
                a_credential_is_marked_as_used_at_most_once_a_minute,
                events_are_never_changed,
                events_are_listed_by_organization_and_by_project,
            }
            filing {
                a_list_is_whole_and_in_order_whatever_is_on_file,
                what_is_pruned_is_in_no_list_and_not_on_file,
            }
            premises {
                every_change_of_a_credential_ends_what_rests_on_its_scope,
                a_change_that_is_given_up_ends_nothing,
                a_change_behind_the_services_back_ends_what_rests_on_it,
                what_changes_nothing_that_is_handed_out_ends_nothing,
                a_token_that_is_revoked_or_ends_is_no_premise,
                a_scope_that_is_made_anew_is_another_one,
                every_case_of_a_batch_is_proved_by_itself,
                of_a_batch_exactly_those_events_are_written_whose_premises_hold,
                what_was_proved_before_a_change_is_not_proved_after_it,
                what_was_proved_again_and_again_is_not_proved_after_a_change,
                no_event_is_written_for_what_ended_after_it_was_proved,
            }
            retention {
                the_newest_events_are_listed_backwards,
                a_pruning_takes_exactly_what_it_says_and_is_on_record,
                a_pruning_that_finds_less_than_it_says_is_told,
                of_two_who_prune_the_same_events_one_fails,
                events_are_deleted_by_pruning_alone_and_records_never,
                the_clock_is_the_one_of_the_database,
            }
        }
    };
    ($open:path: $($module:ident { $($case:ident),+ $(,)? })+) => {$(
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::super::$module::$case($open().await).await;
                }
            )+
        }
    )+};
}

mod on_postgres {
    contract!(crate::store_contract::bench::postgres);
}

mod on_sqlite {
    contract!(crate::store_contract::bench::sqlite);
}

mod on_a_postgres_of_its_own {
    use super::{bench, premises};
    use crate::support::postgres::Cluster;

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_proved_while_others_are_under_way_is_not_proved_after_them() {
        let cluster = Cluster::private();
        let bench = bench::postgres_on(&cluster).await;
        premises::what_is_proved_while_others_are_under_way_is_not_proved_after_them(bench).await;
    }
}
