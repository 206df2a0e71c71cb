"""Social networks and chat in small: days through cut lines, everybody on all networks, accounts in every state, the open web.

Wall-clock is left to `make proof`.
"""

from __future__ import annotations

from pathlib import Path

from providers.quota import Quota
from tests.asking import Clock
from tests.atproto_servers import AtProto
from tests.chaos import (
    asking_sources,
    bluesky_faults,
    chat_faults,
    fediverse_faults,
    killed_deliveries,
    killed_renewals,
    looking_up,
    matching_streams,
    mixed_states,
    universe,
    universe_servers,
)


async def test_throttled_revoked_downgraded_and_partly_permitted_accounts_say_what_to_do_and_cost_the_others_nothing(
    tmp_path: Path,
) -> None:
    report = await mixed_states.live_with_trouble(tmp_path / "home", rounds=3)
    assert report.broken == []


async def test_a_planted_web_is_found_as_its_book_has_it_and_impostors_are_nobody(tmp_path: Path) -> None:
    assert (await looking_up.find_what_was_planted(tmp_path / "home", seeds=1)).broken == []


async def test_many_look_ups_ask_each_host_at_its_pace_and_nothing_twice_though_some_hosts_hang(tmp_path: Path) -> None:
    pace = Quota(calls=4, seconds=0.4, concurrency=1)
    report = await looking_up.ask_a_thousand(
        tmp_path / "home", resources=40, hosts=8, hanging=1, pace=pace, seconds=6.0, clock=Clock()
    )
    assert report.broken == []


async def test_people_put_to_paid_sources_are_paid_for_once_though_the_worker_is_killed(tmp_path: Path) -> None:
    report = await asking_sources.ask_through_kills(tmp_path / "home", people=20, kills=1)
    assert report.broken == []


async def test_rules_find_what_a_naive_reading_finds_live_and_in_history_and_a_client_that_is_cut_off_misses_nothing(
    tmp_path: Path,
) -> None:
    report = await matching_streams.match(tmp_path / "home", rules=600, activities=120, sample=30, growth=(10,), cuts=4)
    assert report.broken == []


async def test_every_match_is_delivered_under_one_id_though_the_worker_is_killed_between_matching_and_delivering(
    tmp_path: Path,
) -> None:
    report = await killed_deliveries.deliver_through_kills(tmp_path / "home", posts=40, kills=1, cuts=2)
    assert report.broken == []


async def test_a_day_in_chat_rooms_is_complete_though_the_line_was_cut(tmp_path: Path) -> None:
    report = await chat_faults.live_through_cuts(tmp_path / "home", messages=10, cuts=2, asked=2)
    assert report.broken == []


def test_a_worker_that_dies_while_bluesky_renews_loses_no_grant_without_saying_so(
    tmp_path: Path, atproto_server: AtProto
) -> None:
    assert killed_renewals.die_while_renewing(tmp_path / "home", atproto_server).broken == []


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
    linked = (universe_servers.MASTODON, "slack", "x", "linkedin", "github")
    report = universe.take_in_the_universe(tmp_path / "home", people=10, messages=4, linked=linked, unlinked=("vcard", "x"))
    assert report.broken == []
