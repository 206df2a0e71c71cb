"""People who are on all networks at once: everything is taken in, on both databases, and everybody's lists are compared with the book.

    World ──archives──▶ kith import ─┐
      ├──real servers, stubs──▶ link ─┴─▶ GraphQL: contacts, conversations, timeline, activities of every person
      └──────────────▶ Book (benchmarks/universe_book.py) ─── exactly equal, before and after each network is left

Archives are of NETWORKS, an address book and mail among them. Accounts are linked at what `universe_servers.py` and `universe_stubs.py`
fill from the same world; where an archive is of the same account, both count each thing once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.exports import World
from benchmarks.universe_book import Book, Life, words, write
from store import leases
from store.database import Database
from tests import servers
from tests.chaos import raw, universe_bots, universe_servers, universe_stubs
from tests.chaos.clients import ask
from tests.chaos.report import Report
from tests.chaos.universe_sources import Source, link, places, stubs
from tests.gateway_process import Gateway, kith_serve
from tests.patience import PATIENCE

#: Accounts that are linked: at real servers, and at stubs.
LINKED: Final = (
    universe_servers.MASTODON, universe_servers.MATRIX, universe_servers.BLUESKY, "slack", "x", "linkedin", "github",
    "facebook", "instagram", universe_bots.DISCORD, universe_bots.TELEGRAM, "carddav", "feeds",
)  # fmt: skip
PAGE: Final = 100
TOGETHER: Final = 10  # people whose lists are asked for at once
REGION: Final = 'mutation { updateViewer(input: { region: "GB" }) { viewer { region } } }'  # national numbers are read there
ACCOUNTS: Final = "{ viewer { accounts(first: 50) { edges { node { id label provider { key } } } } } }"
UNLINK: Final = "mutation Unlink($id: ID!) { unlinkAccount(input: { accountId: $id }) { errors { message } } }"
PEOPLE: Final = """query People($after: Cursor) { viewer { people(first: 200, after: $after,
  filter: { natures: [INDIVIDUAL, ORGANIZATION, AUTOMATED] }) { edges { node { id } } pageInfo { hasNextPage endCursor } } } }"""
OWN_ACTS: Final = """query Acts($after: Cursor) { viewer { activities(first: 200, after: $after) { pageInfo { hasNextPage endCursor }
  edges { node { verb actor { person { id } } object { text } account { label provider { key } }
    copies(first: 20) { account { label provider { key } } } } } } } }"""
#: The lists of a person, with what of their items is compared.
LISTS: Final = {
    "contacts": "relation names { full } emails { address } phones { number } url account { label provider { key } }",
    "conversations": "kind subject messageCount lastActivityAt accounts { label provider { key } }",
    "timeline": """__typename ... on Message { sentAt direction text sources { account { label provider { key } } } }
      ... on Activity { occurredAt verb summary object { text } account { label provider { key } } } ... on TimelineGap { state message }""",
    "activities": "occurredAt verb summary object { text } account { label provider { key } }",
}


def take_in_the_universe(
    home: Path, *, people: int, messages: int, linked: Sequence[str] = LINKED, unlinked: Sequence[str] | None = None
) -> Report:
    """So many people on every network, with about so many messages in each talk; accounts at `linked` beside the archives.

    `unlinked` are left one after the other, all networks by default.
    """
    report = Report()
    world = World(people=people, talks=people, messages=messages)
    files = home.parent / f"{home.name}-files"
    paths, book = write(world, files, mails=people * messages)
    with contextlib.ExitStack() as stack:
        sources = {}
        for source, more in _sources(stack, world, book, files, linked):
            sources[source.called] = source
            book.pages[source.called] = source.page
            paths += more
        report.figures["people, networks, accounts linked"] = f"{people}, {len(book.pages)}, {len(sources)}"
        cluster = stack.enter_context(servers.postgres())
        settings = {"KITH_ALLOW_PRIVATE_HOSTS": "127.0.0.0/8:*,::1/128:*", "KITH_RATE_COST": "0", "KITH_MAX_COST": "1000000"}

        def live(name: str, owner: str | None, more: dict[str, str]) -> None:
            with stubs(sources) as made:
                there = {**settings, **places(sources, made), **more}
                with kith_serve(home / name.lower(), owner_url=owner, **there) as gateway:
                    left = list(book.pages) if unlinked is None else unlinked
                    # which of an account's sources comes first changes nothing: on one database it is the one, on the other the other
                    _live(report, name, gateway, paths, sources, made, book, left, archives_first=owner is None)
                for called, stub in made.items():
                    wrong = getattr(stub, "violations", [])  # a site has no contract but HTTP
                    report.hold(f"{name}: {called} was asked what its contract has not: {wrong[:2]}", not wrong)

        with ThreadPoolExecutor() as both:
            lives = [
                both.submit(live, "SQLite", None, {}),
                both.submit(live, "PostgreSQL", cluster.owner_url, {"KITH_DATABASE_URL": cluster.app_url}),
            ]
            for one in lives:
                one.result()
    return report


def _sources(
    stack: contextlib.ExitStack, world: World, book: Book, files: Path, linked: Sequence[str]
) -> Iterator[tuple[Source, list[Path]]]:
    """The accounts to be linked, each with archives that are of the same account and that only its server makes."""
    filled: dict[str, Callable[[], Source]] = {
        universe_servers.MASTODON: lambda: universe_servers.mastodon(stack, world),
        universe_servers.MATRIX: lambda: universe_servers.matrix(stack, world),
        "slack": lambda: universe_stubs.slack(world, book.pages["slack"]),
        "x": lambda: universe_stubs.x(world, book.pages["x"]),
        "linkedin": lambda: universe_stubs.linkedin(world, book.pages["linkedin"], files),
        "github": lambda: universe_stubs.github(world),
        "facebook": lambda: universe_bots.facebook(world, book.pages["facebook"]),
        "instagram": lambda: universe_bots.instagram(world, book.pages["instagram"]),
        universe_bots.DISCORD: lambda: universe_bots.discord(world),
        universe_bots.TELEGRAM: lambda: universe_bots.telegram(world),
        "carddav": lambda: universe_servers.carddav(stack, world),
        "feeds": lambda: universe_bots.feeds(world),
    }
    for called in linked:
        if called == universe_servers.BLUESKY:
            source, repository = universe_servers.bluesky(stack, world, files)
            yield source, [repository]
        else:
            yield filled[called](), []


def _live(
    report: Report,
    name: str,
    gateway: Gateway,
    paths: list[Path],
    sources: Mapping[str, Source],
    made: Mapping[str, Any],
    book: Book,
    unlinked: Sequence[str],
    archives_first: bool,
) -> None:
    key = gateway.token("owner", "read", "write", "admin")
    ask(gateway, key, REGION)
    # whose the mail is, is known when the chats come
    gateway.kith("import", *map(str, paths[:2]))
    soon, late = (paths[2:], []) if archives_first else ([], paths[2:])
    if soon:
        gateway.kith("import", *map(str, soon))
    for source in sources.values():
        link(gateway, key, source, made.get(source.called))
    gateway.kith("sync")
    if late:
        gateway.kith("import", *map(str, late))
    report.expect(f"{name}: accounts", sorted(_accounts(gateway, key)), sorted(book.pages))
    _settle(gateway, key, None, len(book.lives()))
    _compare(report, f"{name}, everything", gateway, key, book)
    for network in unlinked:
        ask(gateway, key, UNLINK, {"id": _accounts(gateway, key)[network]})
        book = book.without(network)
        _settle(gateway, key, network, len(book.lives()))
        _compare(report, f"{name}, without {network}", gateway, key, book)


def _settle(gateway: Gateway, key: str, gone: str | None, people: int) -> None:
    """Until an account is gone and its people have been looked at again."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        # who is who may be the same number of people before and after it is looked at again
        if not _open_jobs(gateway) and gone not in _accounts(gateway, key) and len(_ids(gateway, key)) == people:
            return
        time.sleep(0.2)


def _open_jobs(gateway: Gateway) -> int:
    """Jobs that change who is who and are still to be done."""
    url = gateway.settings.get("KITH_DATABASE_URL")
    if url is None:
        return raw.open_jobs(gateway.home, "unlink", "identity")
    return asyncio.run(_open_there(url))


async def _open_there(url: str) -> int:
    database = Database(url)
    try:
        jobs: list[leases.Job] = await database.system_read(leases.listed)
    finally:
        await database.close()
    return sum(job.dead_reason is None and job.kind in ("unlink", "identity") for job in jobs)


def _compare(report: Report, when: str, gateway: Gateway, key: str, book: Book) -> None:
    """Everybody's lists with the book's; who is who, their contacts say, and of those whose contacts look alike all lists together."""
    lives, shown = book.lives(), list(_lives(gateway, key))
    wanted, found = _by_contacts(lives), _by_contacts(shown)
    report.expect(f"{when}: people", len(shown), len(lives))
    for who in wanted.keys() - found.keys():
        report.hold(f"{when}: nobody has the contacts {sorted(map(str, who))}", False)
    for who in found.keys() - wanted.keys():
        report.hold(f"{when}: nobody should have the contacts {sorted(map(str, who))}", False)
    for list_ in LISTS:
        both = [(getattr(found[who], list_), getattr(wanted[who], list_)) for who in wanted.keys() & found.keys()]
        report.figures[f"{when}: items in {list_}"] = sum(seen.total() for seen, _ in both)
        for seen, held in both:
            report.hold(f"{when}: {list_} lack {_some(held - seen)} and have {_some(seen - held)} too many", seen == held)
    acts, own = _own_acts(gateway, key), book.own_acts()
    report.figures[f"{when}: what the viewer did"] = acts.total()
    report.hold(f"{when}: the viewer's acts lack {_some(own - acts)} and have {_some(acts - own)} too many", acts == own)


def _by_contacts(lives: Iterable[Life]) -> dict[frozenset[tuple[Hashable, int]], Life]:
    found: dict[frozenset[tuple[Hashable, int]], Life] = {}
    for life in lives:
        who = frozenset(life.contacts.items())
        old = found.get(who)
        found[who] = life if old is None else Life(**{list_: getattr(old, list_) + getattr(life, list_) for list_ in LISTS})
    return found


def _some(items: Counter[Hashable]) -> str:
    return str(sorted(map(str, items.elements()))[:3])


# --- what a client sees -----------------------------------------------------------------------------------------------------


def _accounts(gateway: Gateway, key: str) -> dict[str, str]:
    """Network → account."""
    nodes = [edge["node"] for edge in ask(gateway, key, ACCOUNTS)["data"]["viewer"]["accounts"]["edges"]]
    return {_called(node): node["id"] for node in nodes}


def _pages(gateway: Gateway, key: str, query: str, list_: str) -> Iterator[Any]:
    after = None
    while True:
        page = ask(gateway, key, query, {"after": after})["data"]["viewer"][list_]
        yield from (edge["node"] for edge in page["edges"])
        if not page["pageInfo"]["hasNextPage"]:
            return
        after = page["pageInfo"]["endCursor"]


def _ids(gateway: Gateway, key: str) -> list[str]:
    return [node["id"] for node in _pages(gateway, key, PEOPLE, "people")]


def _lives(gateway: Gateway, key: str) -> Iterator[Life]:
    """All pages of all lists of everybody, some people in one operation, as a page that shows them does it."""
    everybody = _ids(gateway, key)
    for n in range(0, len(everybody), TOGETHER):
        some = everybody[n : n + TOGETHER]
        found: list[dict[str, Counter[Hashable]]] = [{list_: Counter() for list_ in LISTS} for _ in some]
        left: dict[tuple[int, str], str | None] = {(m, list_): None for m in range(len(some)) for list_ in LISTS}
        while left:
            shown = ask(gateway, key, _asked(some, left))["data"]
            for m, list_ in list(left):
                page = shown[f"p{m}"][list_]
                found[m][list_].update(_SHOWN[list_](edge["node"]) for edge in page["edges"])
                left[m, list_] = page["pageInfo"]["endCursor"]
                if not page["pageInfo"]["hasNextPage"]:
                    del left[m, list_]
        yield from (Life(**one) for one in found)


def _asked(people: Sequence[str], left: Mapping[tuple[int, str], str | None]) -> str:
    """An operation for the next page of each list that is left, by person."""
    fields: dict[int, str] = {}
    for (m, list_), cursor in left.items():
        after = "" if cursor is None else f", after: {json.dumps(cursor)}"
        kinds = ", filter: { kinds: [MESSAGE, ACTIVITY, GAP] }" if list_ == "timeline" else ""  # what networks told
        page = f"{list_}(first: {PAGE}{after}{kinds}) {{ edges {{ node {{ {LISTS[list_]} }} }} pageInfo {{ hasNextPage endCursor }} }}"
        fields[m] = f"{fields.get(m, '')} {page}"
    return (
        "{ " + " ".join(f"p{m}: person(by: {{ id: {json.dumps(people[m])} }}) {{ {page} }}" for m, page in fields.items()) + " }"
    )


def _contact(node: dict[str, Any]) -> Hashable:
    names, emails, phones = (
        tuple(one[name] for one in node[list_])
        for list_, name in (("names", "full"), ("emails", "address"), ("phones", "number"))
    )
    return _called(node["account"]), node["relation"], names, emails, phones, node["url"]


def _conversation(node: dict[str, Any]) -> Hashable:
    return _network(node["accounts"]), node["kind"], node["subject"], node["messageCount"], _moment(node["lastActivityAt"])


def _item(node: dict[str, Any]) -> Hashable:
    if node["__typename"] == "Message":
        through = [one["account"] for one in node["sources"]]
        return _network(through), _moment(node["sentAt"]), node["direction"], words(node["text"] or "")
    return _activity(node) if node["__typename"] == "Activity" else (node["state"], node["message"])


def _activity(node: dict[str, Any]) -> Hashable:
    return _called(node["account"]), _moment(node["occurredAt"]), node["verb"], _about(node)


def _about(node: dict[str, Any]) -> str:
    """What an act is about, or what was said to it."""
    return words((node["object"] or {}).get("text") or node["summary"])


_SHOWN: Final = {"contacts": _contact, "conversations": _conversation, "timeline": _item, "activities": _activity}


def _network(accounts: list[dict[str, Any]]) -> str:
    return " ".join(map(_called, accounts))


def _called(account: dict[str, Any]) -> str:
    """How the book calls an account."""
    key: str = account["provider"]["key"]
    if key == "mastodon" and account["label"].startswith("@"):
        return universe_servers.MASTODON
    return universe_bots.LABELS.get((key, account["label"]), key)


def _moment(text: str) -> datetime:
    """Whole seconds: all that most layouts have."""
    return datetime.fromisoformat(text).astimezone(UTC).replace(microsecond=0)


def _own_acts(gateway: Gateway, key: str) -> Counter[Hashable]:
    """(verb, text, networks) of what is nobody else's."""
    found: Counter[Hashable] = Counter()
    for node in _pages(gateway, key, OWN_ACTS, "activities"):
        if node["actor"]["person"] is None:
            networks = {_called(one["account"]) for one in (node, *node["copies"])}
            text = "" if node["verb"] == "INVITE" else words((node["object"] or {}).get("text") or "")
            found[node["verb"], text, tuple(sorted(networks))] += 1
    return found
