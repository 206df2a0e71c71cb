"""Photos have addresses that stay the same for the same picture, that an `img` can use, and that nobody else can make."""

from __future__ import annotations

import hashlib
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest
from PIL import Image

from gateway.installation import Installation
from gateway.people import named
from providers import records
from tests.gateway.running import ask, asking, key_of, opened
from tests.household import Household, card
from tests.providers.test_picture import painted

PHOTO = painted(300, 200, "JPEG")
FIELDS = "photo { hash url(size: 100) width height alt }"
QUERY = f"{{ viewer {{ people {{ edges {{ node {{ name {FIELDS} contacts {{ edges {{ node {{ {FIELDS} }} }} }} }} }} }} }} }}"


@dataclass
class Desk:
    installation: Installation
    client: httpx.AsyncClient
    household: Household
    book: str

    async def people(self) -> dict[str, Any]:
        answer = (await ask(self.client, QUERY)).json()
        assert "errors" not in answer, answer
        return {edge["node"]["name"]: edge["node"] for edge in answer["data"]["viewer"]["people"]["edges"]}

    async def fetch(self, url: str, **headers: str) -> httpx.Response:
        async with asking(self.installation, **headers) as bare:
            return await bare.get(urlsplit(url).path)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened(tmp_path, schema=None) as installation:
        owner = await named(installation, None)
        household = Household(installation.database, owner.id)
        book = await household.account("vcard")
        await household.take(
            book,
            card("1", "Ada Lovelace", photo=records.Photo(media_type="image/jpeg", data=PHOTO)),
            card("2", "Grace Hopper", photo=records.Photo(media_type="image/png", data=b"<svg onload=alert(1)>")),
            card("3", "Ida Rhodes"),
            card("4", "Karen Jones", photo=records.Photo(media_type="image/jpeg", data=PHOTO[:200])),
        )
        key, _ = await key_of(installation)
        async with asking(installation, key) as client:
            yield Desk(installation, client, household, book)


async def test_a_person_and_their_contact_have_the_photo_of_the_card(desk: Desk) -> None:
    ada = (await desk.people())["Ada Lovelace"]
    assert ada["photo"] == ada["contacts"]["edges"][0]["node"]["photo"]
    assert ada["photo"]["hash"] == hashlib.sha256(PHOTO).hexdigest()
    assert (ada["photo"]["width"], ada["photo"]["height"], ada["photo"]["alt"]) == (300, 200, "Ada Lovelace")


async def test_a_photo_comes_as_a_square_that_may_be_kept(desk: Desk) -> None:
    url = (await desk.people())["Ada Lovelace"]["photo"]["url"]
    answer = await desk.fetch(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    assert Image.open(io.BytesIO(answer.content)).size == (128, 128)
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff" and "sandbox" in answer.headers["content-security-policy"]
    assert (await desk.people())["Ada Lovelace"]["photo"]["url"] == url
    assert (await desk.fetch(url)).content == answer.content
    assert (await desk.fetch(url, **{"if-none-match": answer.headers["etag"]})).status_code == 304


async def test_what_is_no_picture_is_no_photo(desk: Desk) -> None:
    people = await desk.people()
    assert people["Grace Hopper"]["photo"] is None and people["Ida Rhodes"]["photo"] is None


async def test_a_damaged_photo_says_so(desk: Desk) -> None:
    answer = await desk.fetch((await desk.people())["Karen Jones"]["photo"]["url"])
    assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_nobody_makes_an_address_and_nobody_uses_anothers_signed_in_as_somebody_else(desk: Desk) -> None:
    url = (await desk.people())["Ada Lovelace"]["photo"]["url"]
    empty, photos, viewer, hashed, edge, mark = urlsplit(url).path.split("/")
    await Household.open(desk.installation.database, "u_morgan")
    for path in (
        (viewer, hashed, edge, mark[:-1] + ("a" if mark[-1] != "a" else "b")),
        ("u_morgan", hashed, edge, mark),
        (viewer, "0" * 64, edge, mark),
        (viewer, hashed, "100", mark),
        (viewer, hashed, edge, "é"),
    ):
        assert (await desk.fetch("/".join((empty, photos, *path)))).status_code == 404, path
    stranger, _ = await key_of(desk.installation, "morgan")
    assert (await desk.fetch(url, authorization=f"Bearer {stranger}")).status_code == 403
    assert (await desk.fetch(url.replace("/128/", "/64/"))).status_code == 200


async def test_a_new_picture_has_a_new_address(desk: Desk) -> None:
    before = (await desk.people())["Ada Lovelace"]["photo"]["url"]
    other = records.Photo(media_type="image/png", data=painted(64, 64))
    await desk.household.take(desk.book, card("1", "Ada Lovelace", photo=other))
    after = (await desk.people())["Ada Lovelace"]["photo"]
    assert after["url"] != before and (after["width"], after["height"]) == (64, 64)


@pytest.mark.parametrize("size", [0, -1, 100_000])
async def test_an_edge_that_makes_no_sense_is_refused(desk: Desk, size: int) -> None:
    answer = (await ask(desk.client, QUERY.replace("size: 100", f"size: {size}"))).json()
    assert answer["errors"][0]["extensions"]["code"] == "BAD_ARGUMENTS"


async def test_of_a_photo_that_is_erased_no_square_is_left_to_see(desk: Desk) -> None:
    url = (await desk.people())["Ada Lovelace"]["photo"]["url"]
    assert (await desk.fetch(url)).status_code == 200
    await desk.household.take(desk.book, card("1", "Ada Lovelace"))
    assert (await desk.fetch(url)).status_code == 404
