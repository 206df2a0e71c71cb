"""Base subjects: what is left of a subject when programs' words are taken off (RFC 5256 §2.1, in more languages)."""

from __future__ import annotations

import pytest

from providers.formats import subject


@pytest.mark.parametrize(
    ("written", "base", "answer", "forward"),
    [
        ("Lantern walk", "lantern walk", False, False),
        ("Re: Lantern walk", "lantern walk", True, False),
        ("RE[2]: AW: Re^3: Lantern walk", "lantern walk", True, False),
        ("Antw: WG: Lantern  walk", "lantern walk", True, True),
        ("Fwd: Lantern walk (fwd)", "lantern walk", False, True),
        ("[garden] Re: [garden] Lantern walk", "lantern walk", True, False),
        ("Re：灯笼散步", "灯笼散步", True, False),
        ("回复: 灯笼散步", "灯笼散步", True, False),
        ("Ответ: Прогулка с фонарями", "прогулка с фонарями", True, False),
        ("Re: ", "", True, False),
        ("Regarding lanterns", "regarding lanterns", False, False),
        ("[only a tag]", "[only a tag]", False, False),
        (None, "", False, False),
    ],
)
def test_a_subject_is_what_is_left_without_the_words_of_programs(
    written: str | None, base: str, answer: bool, forward: bool
) -> None:
    assert subject.read(written) == subject.Subject(base, answer, forward)


@pytest.mark.parametrize("base", ["lantern walk saturday", "prüfung des grundstücks", "灯笼散步", "the lantern walk"])
def test_a_subject_of_two_words_of_its_own_tells_what_a_mail_is_about(base: str) -> None:
    assert subject.telling(base)


@pytest.mark.parametrize(
    "base", ["", "hello", "invoice 4711", "your order 12", "rechnung nr 12", "no subject", "weekly report", "问"]
)
def test_a_subject_that_many_mails_have_tells_nothing(base: str) -> None:
    assert not subject.telling(base)


def test_a_subject_made_of_prefixes_alone_ends() -> None:
    assert subject.read("re: " * 100_000).answer
    assert subject.read("[" * 100_000).base.startswith("[")
