"""Each scenario in small: what is lost, cut or told twice is counted, and must be nothing. Wall-clock is left to `make proof`."""

from __future__ import annotations

from pathlib import Path

from providers.quota import Quota
from tests.asking import Clock
from tests.chaos import (
    address_books,
    bluesky_faults,
    cache_outage,
    chat_faults,
    crashing_sends,
    endless_archives,
    fediverse_faults,
    hostile_mail,
    hostile_queries,
    killed_imports,
    large_archives,
    looking_up,
    lost_marks,
    mail_faults,
    mail_news,
    mail_sync,
    mixed_states,
    reconnecting,
    rotating_grants,
    searching,
    stopping,
    troubled_sources,
    universe,
)


def test_an_import_whose_worker_is_killed_three_times_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    assert killed_imports.kill_the_worker(tmp_path / "home", messages=5_000, kills=3).broken == []


def test_an_import_whose_command_is_killed_three_times_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    assert killed_imports.kill_the_command(tmp_path / "home", messages=1_500, kills=3).broken == []


def test_a_networks_export_whose_worker_is_killed_is_there_once_and_the_second_time_changes_nothing(tmp_path: Path) -> None:
    forms = tuple(form for form in large_archives.FORMS if form.provider == "facebook")
    report = large_archives.take_in_large(tmp_path / "home", messages=300, size=2_000_000, kills=1, forms=forms)
    assert report.broken == []


def test_archives_of_more_files_and_deeper_brackets_than_anybody_has_are_refused_or_read_in_bounded_memory(
    tmp_path: Path,
) -> None:
    report = endless_archives.meet_the_endless(tmp_path / "home", entries=210_000, crowd=0, depth=20_000, rows=0)
    assert report.broken == []


async def test_a_client_that_reconnects_with_its_last_cursor_misses_no_change_and_gets_none_twice(tmp_path: Path) -> None:
    report = await reconnecting.follow_through_cuts(tmp_path / "home", events=600, reconnects=4)
    assert report.broken == []


def test_a_source_that_hangs_fails_or_limits_costs_its_own_part_of_the_page_only(tmp_path: Path) -> None:
    assert troubled_sources.ask_beside_trouble(tmp_path / "home", asked=2).broken == []


async def test_throttled_revoked_downgraded_and_partly_permitted_accounts_say_what_to_do_and_cost_the_others_nothing(
    tmp_path: Path,
) -> None:
    report = await mixed_states.live_with_trouble(tmp_path / "home", rounds=3)
    assert report.broken == []


async def test_no_answer_fails_while_redis_is_away_and_redis_is_used_again_when_it_is_back(tmp_path: Path) -> None:
    report = await cache_outage.kill_the_cache(tmp_path / "home", clients=20, times=1, answers=100)
    assert report.broken == []


async def test_sigterm_under_load_cuts_no_request(tmp_path: Path) -> None:
    report = await stopping.stop_under_load(tmp_path / "home", clients=20, times=1)
    assert report.broken == []


async def test_hostile_documents_are_refused_while_others_are_served(tmp_path: Path) -> None:
    report = await hostile_queries.send_hostile_queries(tmp_path / "home", times=1, others=3)
    assert report.broken == []


def test_a_web_process_and_two_workers_renew_rotating_grants_and_lose_none(tmp_path: Path) -> None:
    assert rotating_grants.renew_side_by_side(tmp_path / "home", accounts=2, renewals=4).broken == []


def test_a_grant_that_a_kill_cost_says_so(tmp_path: Path) -> None:
    report = rotating_grants.renew_side_by_side(tmp_path / "home", accounts=2, renewals=3, kill_every=4.0)
    assert report.broken == []


async def test_one_address_book_in_every_form_is_one_address_book_and_importing_it_again_changes_nothing(tmp_path: Path) -> None:
    report = await address_books.take_in_every_form(tmp_path / "home", contacts=60, broken=12)
    assert report.broken == []


async def test_a_planted_web_is_found_as_its_book_has_it_and_impostors_are_nobody(tmp_path: Path) -> None:
    assert (await looking_up.find_what_was_planted(tmp_path / "home", seeds=1)).broken == []


async def test_many_look_ups_ask_each_host_at_its_pace_and_nothing_twice_though_some_hosts_hang(tmp_path: Path) -> None:
    pace = Quota(calls=4, seconds=0.4, concurrency=1)
    report = await looking_up.ask_a_thousand(
        tmp_path / "home", resources=40, hosts=8, hanging=1, pace=pace, seconds=2.0, clock=Clock()
    )
    assert report.broken == []


async def test_a_mailbox_is_searched_on_both_databases_and_two_accounts_that_hold_it_count_it_once(tmp_path: Path) -> None:
    report = await searching.search_a_full_mailbox(tmp_path / "home", messages=400, asked=2)
    assert report.broken == []


async def test_a_crash_between_any_two_steps_delivers_no_message_twice(tmp_path: Path) -> None:
    report = await crashing_sends.send_through_crashes(tmp_path / "home", messages=120)
    assert report.broken == []


def test_a_whole_mailbox_is_mirrored_and_its_ledger_agrees_with_the_server(tmp_path: Path) -> None:
    assert mail_sync.mirror(tmp_path / "home", messages=600, folders=8, huge=1).broken == []


async def test_what_happens_to_a_mirrored_mailbox_arrives_and_a_silent_look_costs_the_same_at_any_size(tmp_path: Path) -> None:
    report = await mail_news.follow(tmp_path / "home", messages=60, more=300)
    assert report.broken == []


def test_a_first_sync_through_kills_restarts_and_cuts_ends_with_exactly_what_the_server_has(tmp_path: Path) -> None:
    assert mail_faults.break_everything(tmp_path / "home", messages=500, kills=2, restarts=1, cuts=3).broken == []


async def test_a_network_that_forgets_its_marks_is_read_anew_without_a_duplicate_or_an_event(tmp_path: Path) -> None:
    report = await lost_marks.lose_every_mark(tmp_path / "home", items=30)
    assert report.broken == []


async def test_hostile_mails_and_spoiled_files_do_nothing_and_none_is_lost(tmp_path: Path) -> None:
    report = await hostile_mail.meet_hostile_mail(tmp_path / "home", variations=80)
    assert report.broken == []


async def test_a_day_in_chat_rooms_is_complete_though_the_line_was_cut(tmp_path: Path) -> None:
    report = await chat_faults.live_through_cuts(tmp_path / "home", messages=10, cuts=2, asked=2)
    assert report.broken == []


async def test_a_day_at_bluesky_is_complete_though_the_line_was_cut(tmp_path: Path) -> None:
    report = await bluesky_faults.live_through_cuts(tmp_path / "home", messages=5, cuts=2, asked=1)
    assert report.broken == []


async def test_a_day_on_a_mastodon_server_is_complete_though_the_line_was_cut(tmp_path: Path) -> None:
    report = await fediverse_faults.live_through_cuts(tmp_path / "home", posts=10, cuts=1, asked=1)
    assert report.broken == []


def test_everybody_on_all_networks_has_exactly_what_the_generators_book_says_and_a_network_that_is_left_takes_its_part(
    tmp_path: Path,
) -> None:
    # without the address book, what mail and what phones say of somebody is no longer of one person
    report = universe.take_in_the_universe(tmp_path / "home", people=10, messages=4, unlinked=("vcard", universe.LINKED))
    assert report.broken == []
