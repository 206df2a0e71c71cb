"""Whom somebody is dressed up as, by what they are known by: without a database."""

from __future__ import annotations

import pytest

from resolvers.identity.disguises import Bearing, bared, clues, disguise, imitates_a_host
from resolvers.identity.mailboxes import mailbox
from resolvers.identity.names import parse


def known_by(name: str, *addresses: str, handles: tuple[tuple[str, str], ...] = ()) -> Bearing:
    return Bearing(names=parse(name), boxes=tuple(box for a in addresses if (box := mailbox(a)) is not None), handles=handles)


@pytest.mark.parametrize(
    ("real", "fake", "manner"),
    [
        ("ada.byron84@gmail.com", "ada.byron84.ceo@gmail.com", "ADDED"),
        ("ada.byron84@byron.example", "adabyron84.private@gmail.com", "ADDED"),
        ("ada@web.example", "ada@mail-web.example", "ADDED"),
        ("ada@nimbus.example", "ada@nimbus-example.test", "LETTERS"),
        ("ada@nimbus.example", "ada.byron@gmai1.com", "FORGED"),
        ("ada@nimbus.example", "ada.byron@gmail.com.co", "FORGED"),
        ("ada@nimbus.example", "ada.byron@mail-orange.fr", "FORGED"),
        ("ada@nimbus.example", "аda_byron@looms.example", "FORGED"),
    ],
)
def test_an_address_that_somebody_made_to_pass_for_another_is_seen_through(real: str, fake: str, manner: str) -> None:
    one, other = known_by("Ada Byron", real), known_by("Ada Byron", fake)
    assert clues(one) & clues(other)
    seen = disguise(one, other)
    assert seen is not None and seen.manner == manner
    assert disguise(other, one) == seen.turned()


def test_a_host_that_only_looks_like_one_of_many_is_told_from_one_that_is_in_another_country() -> None:
    for host in ("gmai1.com", "gmail.com.co", "icloud.com.login.example", "mail-gmx.de", "gmx-mail.de"):
        assert imitates_a_host(host), host
    for host in ("gmail.com", "yahoo.com.ar", "hotmail.com.tr", "mail.nimbus.example", "nimbus.com.co", "byron.me"):
        assert not imitates_a_host(host), host


def test_a_forged_address_without_the_name_of_somebody_poses_as_nobody() -> None:
    assert disguise(known_by("Ada Byron", "ada@nimbus.example"), known_by("Boris Keller", "b.keller@gmai1.com")) is None


def test_a_network_that_only_looks_like_another_is_a_disguise() -> None:
    one = known_by("Ada Byron", handles=(("bluesky", "ada.bsky.social"),))
    seen = disguise(one, known_by("Ada Byron", handles=(("b1uesky", "ada.bsky.social"),)))
    assert seen is not None and (seen.manner, seen.kind) == ("LETTERS", "DOMAIN")


def test_what_was_put_to_a_user_name_does_not_hide_it_whatever_number_it_has() -> None:
    assert {bared(user) for user in ("adabyron", "adabyron84_", "ada.byron84.ceo", "real_adabyron", "adabyron-office7")} == {
        "adabyron"
    }
