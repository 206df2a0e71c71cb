"""Mailboxes in small, at real servers: mirrored through kills and cuts, searched, written from; nothing is lost or told twice.

Wall-clock is left to `make proof`.
"""

from __future__ import annotations

from pathlib import Path

from tests.chaos import crashing_sends, hostile_mail, lost_marks, mail_faults, mail_news, mail_sync, searching


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
