"""Which documents say something about an address, and the reading of any of them: trouble with a place is data here, never an error."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from typing import Final

from providers.errors import Malformed, ProviderError, RateLimited, Refused, Unavailable
from providers.lookup import actors, at_protocol, directories, foaf, mastodon, nostr, pages, webfinger
from providers.lookup.crawl import Spent, Web
from providers.lookup.reading import Ask, Reading, State, nothing, trouble
from providers.lookup.resources import Resource

Reader = Callable[[Ask, Web, datetime], Awaitable[Reading]]

READERS: Final[Mapping[str, Reader]] = {
    webfinger.PROTOCOL: webfinger.read,
    pages.PROTOCOL: pages.read,
    actors.PROTOCOL: actors.read,
    mastodon.PROTOCOL: mastodon.read,
    foaf.PROTOCOL: foaf.read,
    at_protocol.HANDLE: at_protocol.read_handle,
    at_protocol.DID_DOCUMENT: at_protocol.read_did,
    nostr.PROTOCOL: nostr.read,
    directories.GRAVATAR: directories.read_gravatar,
    directories.GITHUB: directories.read_github,
    directories.GITHUB_SEARCH: directories.read_github_search,
    directories.KEYBASE: directories.read_keybase,
}
SPENT: Final = "There was no time left to ask here: ask again."


def asks(resource: Resource, consented: frozenset[str], *, crawled: bool, said: str = "") -> Iterator[Ask]:
    """What to read about a resource; `consented` names the third parties that may learn of it, `said` is how another one named it."""
    match resource.kind:
        case "acct":
            yield webfinger.ask(resource)
        case "mailto":
            yield webfinger.ask(resource)
        case "web" if said in actors.NAMED_BY and not directories.is_own(resource):
            yield Ask(actors.PROTOCOL, resource.uri, resource.uri)
        case "web" if not directories.is_own(resource):
            yield Ask(pages.PROTOCOL, resource.uri, resource.uri, crawled)
        case "at":
            yield at_protocol.handle(resource.uri)
        case "did":
            yield at_protocol.did(resource.uri)
        case "nostr" if resource.host:
            yield nostr.ask(resource.uri)
        case _:
            pass  # nobody can be asked in public about a number or a bare key
    yield from directories.asks(resource, consented)


async def read(ask: Ask, web: Web, until: datetime) -> Reading:
    """The reading of a document; nothing is sent after `until`."""
    try:
        return await READERS[ask.protocol](ask, web, until)
    except Spent:
        return trouble(ask, web.clock.now(), "BUDGET_SPENT", SPENT)
    except RateLimited as error:
        return trouble(ask, web.clock.now(), "RATE_LIMITED", error.message)
    except Unavailable as error:
        state: State = "TIMED_OUT" if error.provider_code == "timeout" else "UNAVAILABLE"
        return trouble(ask, web.clock.now(), state, error.message)
    except Refused as error:
        # by robots.txt or by the guard: tomorrow it is the same
        return trouble(
            ask, web.clock.now(), "UNSUPPORTED" if error.provider_code == "robots" else "UNAVAILABLE", error.message, lasting=True
        )
    except Malformed as error:
        return nothing(ask, web.clock.now(), message=error.message)
    except ProviderError as error:
        return trouble(ask, web.clock.now(), "UNAVAILABLE", error.message)
