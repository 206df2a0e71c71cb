"""JSON files are read item by item, whatever their size, with the place of each; what is broken costs itself, or the rest and says so."""

from __future__ import annotations

import io
import json
import random
from typing import Any

import pytest

from providers.archives import json_stream
from providers.archives.json_stream import Item, Pattern

ELEMENTS: Pattern = ("*",)


class Slow:
    """A stream that gives a few bytes at a time, so that every token is cut somewhere."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size, self._at = data, size, 0

    def read(self, size: int, /) -> bytes:
        piece = self._data[self._at : self._at + self._size]
        self._at += len(piece)
        return piece


def read(data: bytes, *patterns: Pattern) -> list[Item]:
    return list(json_stream.items(io.BytesIO(data), *patterns))


def count(data: bytes, *patterns: Pattern) -> int:
    return json_stream.count(io.BytesIO(data), *patterns)


def anything(dice: random.Random, depth: int = 0) -> Any:
    kind = dice.randrange(6 if depth < 3 else 4)
    if kind == 4:
        return {
            str(dice.choice(('a"b', "c\\", "{", "é", "k"))) + str(n): anything(dice, depth + 1) for n in range(dice.randrange(4))
        }
    if kind == 5:
        return [anything(dice, depth + 1) for _ in range(dice.randrange(4))]
    return dice.choice(("]}", 'x "quoted" \\', "", "ł🐢", 12.5, -3, None, True))


def test_items_are_what_a_parser_finds_wherever_the_file_is_cut_into_pieces() -> None:
    for seed in range(60):
        dice = random.Random(seed)
        values = [{"n": n, "more": anything(dice)} for n in range(dice.randrange(6))]
        shape = {"before": anything(dice), "list": values, "after": anything(dice)}
        data = json.dumps(shape, indent=dice.choice((None, 2)), ensure_ascii=dice.random() < 0.5).encode()
        for size in (1, 2, 3, 7, 1000):
            found = list(json_stream.items(Slow(data, size), ("list", "*")))
            assert [json.loads(item.data) for item in found] == values
            assert [data[item.start : item.end] for item in found] == [item.data for item in found]
            assert [item.line for item in found] == [data.count(b"\n", 0, item.start) + 1 for item in found]
            assert json_stream.count(Slow(data, size), ("list", "*")) == len(values)


def test_a_script_s_assignment_before_the_value_is_passed_over() -> None:
    found = read(b'window.YTD.tweets.part0 = [ {"a": 1}, {"a": 2} ];\n', ELEMENTS)
    assert [item.data for item in found] == [b'{"a": 1}', b'{"a": 2}']


def test_what_stands_around_items_can_be_asked_for_with_them() -> None:
    data = b'[{"talk": {"id": "7", "said": [{"x": 1}, {"x": 2}]}}, {"talk": {"id": "8", "said": []}}]'
    found = read(data, ("*", "talk", "id"), ("*", "talk", "said", "*"))
    assert [(item.pointer, item.data) for item in found] == [
        ("/0/talk/id", b'"7"'), ("/0/talk/said/0", b'{"x": 1}'), ("/0/talk/said/1", b'{"x": 2}'), ("/1/talk/id", b'"8"'),
    ]  # fmt: skip
    assert count(data, ("*", "talk", "said", "*")) == 2


def test_texts_are_items_too() -> None:
    data = b'{"id": "x", "list": ["a", "b \\"c\\"", {"d": ["e"]}, ["f"]]}'
    assert [json.loads(item.data) for item in read(data, ("list", "*"))] == ["a", 'b "c"', {"d": ["e"]}, ["f"]]
    assert count(data, ("list", "*")) == 4
    assert [item.data for item in read(data, ("id",))] == [b'"x"']


def test_an_item_that_is_broken_inside_is_one_item_and_the_next_is_read() -> None:
    data = b'[{"a": 1}, {"a": , ]}, {"a": 3}]'.replace(b" ]", b" []")
    assert [item.data for item in read(data, ELEMENTS)] == [b'{"a": 1}', b'{"a": , []}', b'{"a": 3}']
    assert count(data, ELEMENTS) == 3


def test_a_file_cut_anywhere_says_so_and_both_counts_agree() -> None:
    data = json.dumps([{"text": 'a "b" {', "list": [1, {"c": "]"}]} for _ in range(3)], indent=1).encode()
    for size in range(len(data)):
        found = read(data[:size], ELEMENTS)
        whole = [item for item in found if item.problem is None]
        assert [json.loads(item.data) for item in whole] == json.loads(data)[: len(whole)]
        if data[:size].strip():
            assert found[-1].problem == "CUT"
            assert found[-1].end == size
        assert count(data[:size], ELEMENTS) == len(found)


def test_an_item_that_is_too_large_is_reported_with_its_beginning_and_the_next_is_read() -> None:
    large = b'{"text": "begin' + b"x" * (json_stream.MAX_ITEM // 4) + b'"'
    data = b"[" + large + b', "more": [' + b'"' + b'y", "'.join([b"y" * 1_000_000] * 20) + b'y"]}, {"a": 1}]'
    first, second = read(data, ELEMENTS)
    assert (first.problem, first.data[:15]) == ("TOO_LARGE", b'{"text": "begin')
    assert len(first.data) <= 4000
    assert second.data == b'{"a": 1}'
    assert count(data, ELEMENTS) == 2


@pytest.mark.parametrize(
    "data", [b"", b"   \n", b"{}", b"[]", b"null", b'"text"', b'{"list": {"a": 1}}', b'{"other": [1, 2]}', b"[" * 50 + b"]" * 50]
)
def test_where_nothing_is_asked_for_nothing_is_found(data: bytes) -> None:
    assert read(data, ("list", "x", "*")) == []
    assert count(data, ("list", "x", "*")) == 0


@pytest.mark.parametrize("data", [b"}", b"[}", b'{"a": [}]', b"{1: 2}", b"[" * 5000, b'{"list": [', b'["'])
def test_brackets_that_do_not_add_up_are_one_broken_item(data: bytes) -> None:
    found = read(data, ("list", "*"))
    assert [item.problem for item in found] == ["CUT"]
