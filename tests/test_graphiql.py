"""A person opens the printed link in a real browser and works in GraphiQL, which asks no other host for anything."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, Request, WebSocket, expect

from gateway.explorer import PAGE
from tests import servers
from tests.chromium import chromium
from tests.fetched import Missing
from tests.gateway_process import Gateway, kith_serve
from tests.patience import PATIENCE

_CARD = "BEGIN:VCARD\r\nVERSION:4.0\r\nUID:urn:uuid:{name}\r\nFN:{name} Example\r\nEMAIL:{address}\r\nEND:VCARD\r\n"
_SLOW_MACHINE = PATIENCE * 1000  # milliseconds


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The owner's installation, with one person in it."""
    if not PAGE.exists():
        servers.missing["GraphiQL"] = "build it with the npm registry in reach: make web"
        raise Missing("GraphiQL", servers.missing["GraphiQL"])
    card = tmp_path_factory.mktemp("cards") / "ada.vcf"
    card.write_text(_CARD.format(name="Ada", address="ada@example.org"), newline="")
    with kith_serve(tmp_path_factory.mktemp("kith")) as running:
        running.kith("import", str(card))
        yield running


class Visit:
    """A page, and what it did: hosts it asked, operations it sent, errors it met."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.hosts: set[str] = set()
        self.errors: list[str] = []
        self.sent = asyncio.Event()
        page.on("request", self._asked)
        page.on("websocket", self._opened)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(("data:", "blob:")):
            self.hosts.add(urlsplit(request.url).netloc)
        if request.method == "POST" and "IntrospectionQuery" not in (request.post_data or ""):
            self.sent.set()

    def _opened(self, socket: WebSocket) -> None:
        self.hosts.add(urlsplit(socket.url).netloc)
        socket.on("framesent", lambda frame: self.sent.set() if '"subscribe"' in str(frame) else None)

    async def run(self, tab: str) -> None:
        """Show an example's tab and press the button, again while the editors are not ready for it."""
        await self.page.locator(".graphiql-tab-button", has_text=tab).click()
        await expect(self.page.locator(".graphiql-query-editor")).to_contain_text(tab, timeout=_SLOW_MACHINE)
        await self.page.wait_for_timeout(2_000)  # GraphiQL learns an operation's name a tenth of a second after its text
        self.sent.clear()
        async with asyncio.timeout(_SLOW_MACHINE / 1000):
            while not self.sent.is_set():
                await self.page.locator(".graphiql-execute-button").click()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.sent.wait(), 2)

    async def shows(self, text: str) -> None:
        """Wait until the answer holds the text (Monaco writes blanks as no-break spaces)."""
        await expect(self.page.locator(".graphiql-response")).to_contain_text(text, timeout=_SLOW_MACHINE)

    async def photograph(self, name: str) -> None:
        """Keep what it looks like where somebody asked for it."""
        if folder := os.environ.get("KITH_TEST_SCREENSHOTS"):
            await self.page.screenshot(path=Path(folder) / f"{name}.png")


@pytest.fixture
async def visit(gateway: Gateway) -> AsyncIterator[Visit]:
    """A browser whose owner has followed the sign-in link and opened GraphiQL."""
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": 1400, "height": 860})
        page.set_default_timeout(_SLOW_MACHINE)
        visit = Visit(page)
        await page.goto(await asyncio.to_thread(gateway.login_link))
        await page.wait_for_url(f"{gateway.url}/")
        await visit.photograph("start")
        await page.goto(f"{gateway.url}/graphiql")
        # Its tabs are there before its editors are, and a tab shown too early keeps an editor that nothing is written to.
        for editor, text in (("query-editor", "People"), ("response", "")):
            await expect(page.locator(f".graphiql-{editor} .view-lines")).to_contain_text(text, timeout=_SLOW_MACHINE)
        yield visit


async def test_the_first_example_answers_with_the_imported_person(visit: Visit, gateway: Gateway) -> None:
    await visit.run("People")
    await visit.shows("ada@example.org")
    await visit.photograph("people")
    assert visit.hosts == {urlsplit(gateway.url).netloc}
    assert visit.errors == []


async def test_every_other_query_among_the_examples_answers_without_an_error(visit: Visit) -> None:
    for tab, answer in (("Why", "contacts"), ("Conversations", "sources")):
        await visit.run(tab)
        await visit.shows(answer)
        assert '"errors"' not in await visit.page.locator(".graphiql-response").inner_text()
    await visit.photograph("conversations")


async def test_an_import_arrives_in_the_open_subscription(visit: Visit, gateway: Gateway, tmp_path: Path) -> None:
    await visit.run("Changes")
    card = tmp_path / "grace.vcf"
    card.write_text(_CARD.format(name="Grace", address="grace@example.org"), newline="")
    await asyncio.to_thread(gateway.kith, "import", str(card))
    await visit.shows("NodeUpserted")
    await visit.photograph("changes")
    assert visit.hosts == {urlsplit(gateway.url).netloc}
    assert visit.errors == []
