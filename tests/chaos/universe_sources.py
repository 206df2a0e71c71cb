"""What the owner of a universe has an account at: how it is linked, and what stands for its network meanwhile.

Real servers are shared by both databases; a stub counts calls and may not be asked twice as much, so that each database has one of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.universe_book import Page
from gateway.accounts import Held
from gateway.app import open_installation
from gateway.people import named
from gateway.settings import load
from providers.base import catalogue
from providers.session import Account, Secret
from tests.chaos.clients import ask
from tests.gateway_process import Gateway
from tests.providers import stub_http

BEGIN: Final = """mutation Begin($provider: String!, $method: LinkMethod!) {
  beginLink(input: { provider: $provider, method: $method }) { link { id } errors { message } } }"""
COMPLETE: Final = """mutation Complete($link: ID!, $form: [FormValue!]!) {
  completeLink(input: { linkId: $link, mode: MIRRORED, credentials: { form: $form } }) {
    account { id } errors { message } link { state error { message } } } }"""


@dataclass(frozen=True)
class Source:
    """An account at a network. `stub` makes what stands for the network, where that is no real server.

    It is linked by what is typed into the form of `method`, or, where the network signs people in on a page of its own, by the `grant`
    that comes of it. `path` is what stands behind the stub's address. The book calls it as the network is
    called where it is the only account there, or one with an archive.
    """

    network: str
    page: Page
    stub: Callable[[], Any] | None = None
    method: str = "TOKEN"
    form: Mapping[str, str] = field(default_factory=dict)
    grant: Secret | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    running: Callable[[Any], AbstractAsyncContextManager[Any]] = stub_http.running

    @property
    def called(self) -> str:
        return self.page.network


@contextmanager
def stubs(sources: Mapping[str, Source]) -> Iterator[dict[str, Any]]:
    """A new stub of every network that needs one, by what the book calls it."""
    made = {called: source.stub() for called, source in sources.items() if source.stub is not None}
    with stub_http.served(*(sources[called].running(one) for called, one in made.items())):
        yield made


def places(sources: Mapping[str, Source], made: Mapping[str, Any]) -> dict[str, str]:
    """The settings by which an installation finds the stubs."""
    return {f"KITH_{sources[called].network.upper()}_URL": one.url + sources[called].path for called, one in made.items()}


def link(gateway: Gateway, key: str, source: Source, stub: Any) -> None:
    """Link an account. Raises RuntimeError with what was said."""
    if source.grant is not None:
        asyncio.run(_granted(gateway, source, stub.url + source.path))
        return
    begun: dict[str, Any] = ask(gateway, key, BEGIN, {"provider": source.network, "method": source.method})["data"]["beginLink"]
    typed = {name: value.format(stub=stub.url if stub is not None else "") for name, value in source.form.items()}
    form = [{"name": name, "value": value} for name, value in typed.items()]
    done: dict[str, Any] = ask(gateway, key, COMPLETE, {"link": begun["link"]["id"], "form": form})["data"]["completeLink"]
    if not done["account"]:
        raise RuntimeError(f"{source.called} could not be linked: {done}")


async def _granted(gateway: Gateway, source: Source, url: str) -> None:
    """As the page does to which a network sends the browser back: with the grant, ask whose it is, and keep both."""
    there = gateway.settings
    settings = load(
        home=gateway.home,
        database_url=there.get("KITH_DATABASE_URL", ""),
        allow_private_hosts=tuple(there["KITH_ALLOW_PRIVATE_HOSTS"].split(",")),
    )
    async with open_installation(settings) as installation:
        viewer = await named(installation, "owner")
        declared = catalogue()[source.network]
        assert declared.open is not None
        assert source.grant is not None
        account = Account(provider=source.network, base_url=url, settings=dict(source.settings))
        session = installation.accounts.session(account, Held(source.grant), declared)
        profile = await declared.open(session).profile()
        await installation.accounts.add(
            viewer.id, declared, profile, source.grant, base_url=url, settings=dict(source.settings), mode="MIRRORED"
        )
