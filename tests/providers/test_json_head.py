"""How a JSON file begins, whatever order its members stand in."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.archives import json_head

TEXT = re.compile(rb'"')
LIST = re.compile(rb"\[")


@pytest.mark.parametrize("order", [("id", "name", "members"), ("members", "name", "id"), ("name", "members", "id")])
def test_members_are_found_in_whatever_order_they_stand(order: tuple[str, ...]) -> None:
    values = {"id": "C1", "name": 'gen}eral"', "members": ["U1", {"id": 5}]}
    head = json_head.look(json.dumps([{name: values[name] for name in order}, {"other": 1}]).encode())
    assert head.has(listed=True, id=re.compile(rb'"C1"\Z'), name=TEXT, members=LIST)
    assert set(head.members) == set(values), "the second object of the list is none of the first one's members"


def test_members_of_what_stands_within_are_not_taken_for_the_objects_own() -> None:
    head = json_head.look(b'{"user": {"id": "U1", "name": "Ada"}, "at": 5}')
    assert set(head.members) == {"user", "at"}
    assert not head.has(listed=False, id=TEXT)


def test_a_head_that_is_cut_off_shows_what_it_holds() -> None:
    head = json_head.look(b'\xef\xbb\xbf {"participants": [{"name": "Ada"}], "messages": [{"text": "half of')
    assert head.has(listed=False, participants=LIST, messages=LIST)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"nothing", b'"text"', b"[1, 2]", b"{", b'{"a', b'{"a":', b"[[{}]]", b'{"a" "b": 1}']
)
def test_what_is_no_object_has_no_members_that_anything_is_told_by(data: bytes) -> None:
    assert not json_head.look(data).has(listed=False, id=TEXT)


@given(
    st.dictionaries(
        st.text(),
        st.recursive(st.none() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)),
    )
)
def test_the_members_are_those_that_a_reader_of_json_finds(value: dict[str, object]) -> None:
    head = json_head.look(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    assert len(head.members) <= len(value)
    plain = [name for name in value if json.dumps(name, ensure_ascii=False) == f'"{name}"' and name.isprintable()]
    assert set(plain) <= set(head.members)
