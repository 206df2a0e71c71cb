"""The service in small: hostile documents, hanging sources, a lost cache, a stop under load, grants renewed side by side.

Wall-clock is left to `make proof`.
"""

from __future__ import annotations

from pathlib import Path

from tests.chaos import (
    beside_a_slow_one,
    cache_outage,
    close_people,
    hostile_queries,
    long_running,
    reconnecting,
    repeated_pages,
    rotating_grants,
    stopping,
    troubled_sources,
)


async def test_a_client_that_reconnects_with_its_last_cursor_misses_no_change_and_gets_none_twice(tmp_path: Path) -> None:
    report = await reconnecting.follow_through_cuts(tmp_path / "home", events=600, reconnects=4)
    assert report.broken == []


def test_a_source_that_hangs_fails_or_limits_costs_its_own_part_of_the_page_only(tmp_path: Path) -> None:
    assert troubled_sources.ask_beside_trouble(tmp_path / "home", asked=2, deadline=10.0).broken == []


def test_a_first_page_has_what_others_say_while_one_hangs_and_who_does_not_ask_a_slow_one_is_answered(tmp_path: Path) -> None:
    assert beside_a_slow_one.in_small(tmp_path / "home") == []


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


async def test_in_a_made_up_year_the_close_come_first_and_every_number_leads_to_its_messages(tmp_path: Path) -> None:
    report = await close_people.remember(tmp_path / "home", close=3, acquaintances=3, bulk=1, groups=1, days=70, traced=1)
    assert report.broken == []


def test_whoever_subscribes_to_a_web_process_hears_of_what_is_written_there(tmp_path: Path) -> None:
    report = long_running.run(tmp_path / "home", requests=40, subscriptions=5, people=60, messages=300)
    assert report.broken == []


def test_a_page_that_was_made_is_given_again_and_not_sent_again(tmp_path: Path) -> None:
    assert repeated_pages.ask_again(tmp_path / "home", people=60, messages=300, requests=3).broken == []
