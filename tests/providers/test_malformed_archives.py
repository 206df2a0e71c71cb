"""Archives of every form whose items, facts and bytes are wrong in every way: each wrong item is named or taken, all others are read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks import malformed
from benchmarks.exports import World
from benchmarks.malformed import FORMS, Form
from providers import records
from providers.archives import export
from providers.archives.recognition import recognise

WORLD = World(people=5, talks=5, messages=3)
Known = Counter[tuple[str, str]]


@pytest.fixture(
    params=FORMS, ids=lambda form: f"{form.provider}{'-tables' if form.tables and form.provider == 'discord' else ''}"
)
def form(request: pytest.FixtureRequest) -> Form:
    found: Form = request.param
    return found


def read(path: Path, provider: str, *, adds_up: bool = True) -> list[records.Row]:
    """All that stands in an archive, after its own count was compared with what was read of each file.

    Where brackets do not add up, the rest of a file is one row, and how many items it would have had nobody can say.
    """
    found = [(one, paths) for one, paths in recognise([path]).groups if one.key == provider]
    rows: list[records.Row] = []
    for one, paths in found:
        assert one.archive is not None
        scan = one.archive.scan(paths, frozenset())
        pages = list(one.archive.pages(paths, None, own=frozenset(), region="GB"))
        placed = [row for page in pages for row in page.rows if row.place is not None]
        stated = {statement.container: statement.expected for statement in pages[-1].statements}
        assert {shown: count for shown, count in stated.items() if count is not None} == scan.expected
        read = Counter(
            row.item.container
            for row in placed
            if not isinstance(row.item, records.Gone | records.ConversationHead | records.Voided | records.MessageState)
        )
        if adds_up:
            counted = {shown: count for shown, count in scan.expected.items() if count}
            assert counted == {shown: count for shown, count in read.items() if shown in scan.expected}
        rows += placed
    return rows


def known(rows: list[records.Row]) -> Known:
    """What was taken in, by kind and key; Meta's second friend of one name has a time behind it."""
    return Counter(
        (type(row.item).__name__, row.item.key.partition("#")[0])
        for row in rows
        if isinstance(row.item, records.Contact | records.Message | records.Activity)
    )


def assert_told(rows: list[records.Row]) -> None:
    for row in rows:
        if isinstance(row.item, records.Unreadable):
            assert row.item.message.rstrip().endswith((".", ")")), row.item.message
            assert row.item.reason and len(row.item.message) < 1_000
            assert len(row.item.excerpt or "") <= 200


def test_an_item_that_is_wrong_in_any_way_is_named_or_taken_and_those_beside_it_are_read(form: Form, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = form.write(WORLD, tmp_path / "whole")
    before = read(whole, form.provider)
    into = tmp_path / "spoiled"
    count = malformed.spoiled(form, whole, into)
    rows = read(into, form.provider)
    if count:
        assert len(rows) == len(before) + count
    assert known(before) - known(rows) == Counter()
    assert sum(isinstance(row.item, records.Unreadable) for row in rows) > sum(
        isinstance(row.item, records.Unreadable) for row in before
    )
    assert_told(rows)


@pytest.mark.parametrize("form", [form for form in FORMS if form.facts], ids=lambda form: form.provider, indirect=False)
def test_what_is_said_of_the_account_may_be_anything_and_the_items_are_read(form: Form, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = form.write(WORLD, tmp_path / "whole")
    before = read(whole, form.provider)
    for path in malformed.wrong_facts(form, whole, tmp_path):
        rows = read(path, form.provider)
        assert len(rows) == len(before)
        assert_told(rows)


def test_a_file_of_any_bytes_is_read_as_far_as_it_goes_or_named(form: Form, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = form.write(WORLD, tmp_path / "whole")
    file = min(whole.iterdir()) if whole.is_dir() else whole
    ends = [end for end, _ in form.lists if end] + list(form.tables)
    spoiled = tmp_path / "spoiled"
    for number, what in enumerate(malformed.WAYS):
        if ends:  # another file of the archive for each way

            def spoil(name: str, data: bytes, end: str = ends[number % len(ends)], what: str = what) -> bytes:
                return malformed.WAYS[what](data) if name.endswith(end) else data

            malformed.rewritten(file, spoiled, spoil)
        else:
            spoiled.write_bytes(malformed.WAYS[what](file.read_bytes()))
        assert_told(read(spoiled, form.provider, adds_up=what == "cut"))


def test_an_archive_that_names_more_people_than_can_be_kept_in_mind_is_read_whole_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forms = [
        one
        for one in FORMS
        if one.provider in ("linkedin", "x", "facebook", "instagram", "google_chat", "slack", "discord", "imessage")
    ]
    for number, one in enumerate(forms):
        folder = tmp_path / str(number)
        folder.mkdir()
        whole = one.write(WORLD, folder)
        before = read(whole, one.provider)
        with monkeypatch.context() as patch:
            patch.setattr(export, "MAX_NOTED", 1_500)
            assert len(read(whole, one.provider)) == len(before)
            ((provider, paths),) = [found for found in recognise([whole]).groups if found[0].key == one.provider]
            assert provider.archive is not None
            assert export.FULL in provider.archive.scan(paths, frozenset()).remarks
