"""No byte about a person leaves without consent, asserted where connections are made; with it, what leaves is what the log says and no more.

The installation is a whole one, worker included. Every connection that this process makes is seen by an audit hook of the interpreter
(PEP 578), whoever makes it; what arrives at the stub is compared with the log, request for request.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2 as httpx
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_required_argument,
    is_required_input_field,
)

from gateway import worker
from gateway.installation import Installation
from gateway.settings import Hidden
from schema import build_schema
from store.enrichment_runs import JOB
from tests.gateway.running import ask, asking, key_of, opened
from tests.household import Household, card
from tests.providers.enrichment_stub import KEY, Sources
from tests.providers.stub_http import running

SCOPES = ("read", "write", "send", "admin")
#: Whatever is about a person: in a question, a look-up or a job.
ADA = ("ada@example.org", "+4915112345678", "https://github.com/ada", "https://ada.example/")
CONSENT = """mutation ($source: EnrichmentSource!, $granted: Boolean!) { setEnrichmentConsent(input: {source: $source, granted: $granted}) {
  errors { message } } }"""
ENRICH = "mutation ($ids: [ID!]!) { enrichPeople(input: {personIds: $ids}) { run { id } errors { code } } }"
LOG = """{ viewer { disclosures(first: 200) { edges { node { source request body sent purpose outcome price } } } } }"""
_seen: list[list[Any]] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    """Notes every connection, datagram and name that is asked for while somebody listens. A hook stays for the life of the process."""
    if not _seen:
        return
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg") and isinstance(arguments[1], tuple):
        _seen[-1].append((event, arguments[1][:2]))
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        _seen[-1].append((event, arguments[0]))


sys.addaudithook(_audit)


@contextmanager
def connections() -> Iterator[list[Any]]:
    """Where this process connects, sends or asks the way to, meanwhile."""
    _seen.append([])
    try:
        yield _seen[-1]
    finally:
        _seen.pop()


@asynccontextmanager
async def installed(home: Path, stub: Sources) -> AsyncIterator[tuple[Installation, httpx.AsyncClient, Household]]:
    async with running(stub) as url:
        terms: dict[str, Any] = {}
        for source in ("fullcontact", "people_data_labs"):
            terms |= {f"{source}_key": Hidden(KEY), f"{source}_price": Decimal("0.28"), f"{source}_url": url}
        place = f"127.0.0.1/32:{url.rpartition(':')[2]}"
        async with opened(home, schema=None, allow_private_hosts=(place,), enrichment_budget=Decimal(5), **terms) as installation:
            key, kept = await key_of(installation, scopes=SCOPES)
            household = Household(installation.database, kept.viewer_id)
            async with asking(installation, key) as client:
                yield installation, client, household


async def person(client: httpx.AsyncClient, household: Household, key: str, email: str, **more: Any) -> str:
    book = await household.account("vcard", "cards")
    await household.take(book, card(key, f"Person {key}", email, **more))
    await household.resolve()
    found = (
        await ask(client, "query ($email: EmailAddress!) { person(by: {email: $email}) { id } }", variables={"email": email})
    ).json()
    return str(found["data"]["person"]["id"])


def everything(kind: GraphQLObjectType, depth: int) -> str:
    """A selection of all fields that can be asked for without arguments, so many levels deep."""
    chosen = []
    for name, field in kind.fields.items():
        if any(is_required_argument(each) for each in field.args.values()):
            continue
        inner = get_named_type(field.type)
        few = "(first: 3)" if "first" in field.args else ""
        if not isinstance(inner, GraphQLObjectType):
            chosen += [name] if not hasattr(inner, "fields") and not hasattr(inner, "types") else []
        elif depth and (below := everything(inner, depth - 1)):
            chosen.append(f"{name}{few} {{ {below} }}")
    return " ".join(chosen)


def mutations(schema: GraphQLSchema) -> dict[str, Any]:
    """Each mutation that takes an input, with one that names nothing that there is: it says no, and asks nobody before."""
    assert schema.mutation_type is not None
    found = {}
    for name, field in schema.mutation_type.fields.items():
        kind = get_named_type(field.args["input"].type)
        assert isinstance(kind, GraphQLInputObjectType)
        found[name] = least(kind)
    return found


def least(kind: Any) -> Any:
    """The least that an input may be."""
    if isinstance(kind, GraphQLNonNull):
        return least(kind.of_type)
    if isinstance(kind, GraphQLList):
        return [least(kind.of_type)]
    if isinstance(kind, GraphQLInputObjectType):
        needed = {name: least(field.type) for name, field in kind.fields.items() if is_required_input_field(field)}
        return needed or {name: least(field.type) for name, field in list(kind.fields.items())[:1]}
    if isinstance(kind, GraphQLEnumType):
        return next(iter(kind.values))
    return {"Boolean": False, "Int": 1, "ByteCount": 1, "URL": "https://192.0.2.1/", "EmailAddress": ADA[0]}.get(kind.name, "x")


async def work(installation: Installation) -> None:
    """All jobs that are due, by the installation's own worker, until there are none."""
    mine = worker.of(installation)
    stop = asyncio.Event()
    running_worker = asyncio.create_task(mine.work(stop))
    await asyncio.sleep(0.2)
    stop.set()
    await running_worker


async def test_without_consent_no_query_no_mutation_and_no_job_connects_anywhere(tmp_path: Path) -> None:
    stub = Sources()
    async with installed(tmp_path, stub) as (installation, client, household):
        ada = await person(client, household, "ada", ADA[0], phones=[ADA[1]], urls=list(ADA[2:]))
        schema = build_schema()._schema
        viewer, human, contact = (schema.type_map[name] for name in ("Viewer", "Person", "Contact"))
        assert (
            isinstance(viewer, GraphQLObjectType)
            and isinstance(human, GraphQLObjectType)
            and isinstance(contact, GraphQLObjectType)
        )
        queries = [f"{{ viewer {{ {name} {{ {everything(inner, 1)} }} }} }}" for name, inner in _objects(viewer)]
        queries += [f'{{ person(by: {{email: "{ADA[0]}"}}) {{ {everything(human, 2)} }} }}']
        queries += [
            f'{{ person(by: {{email: "{ADA[0]}"}}) {{ contacts(first: 5) {{ edges {{ node {{ {everything(contact, 1)} }} }} }} }} }}'
        ]
        with connections() as made:
            for query in queries:
                assert "errors" not in (await ask(client, query)).json(), query
            for name, given in sorted(mutations(schema).items()):
                text = (
                    f"mutation ($input: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $input) {{ errors {{ message }} }} }}"
                )
                assert (await ask(client, text, variables={"input": given})).status_code == 200, name
            refused = (await ask(client, ENRICH, variables={"ids": [ada]})).json()["data"]["enrichPeople"]
            forbidden = """query ($id: ID!) { person(by: {id: $id}) {
              enrichment(sources: [GRAVATAR, GITHUB, FULLCONTACT, PEOPLE_DATA_LABS, PUBLIC_WEB]) { facts { value } } } }"""
            silent = (await ask(client, forbidden, variables={"id": ada})).json()["data"]["person"]
            await work(installation)
        assert made == []
        assert refused["run"] is None and silent["enrichment"] is None
        log = (await ask(client, LOG)).json()["data"]["viewer"]["disclosures"]["edges"]
        assert (stub.received, log) == ([], [])


async def test_with_consent_the_log_is_what_arrived_and_nobody_else_was_connected_to(tmp_path: Path) -> None:
    stub = Sources()
    async with installed(tmp_path, stub) as (installation, client, household):
        people = [await person(client, household, str(n), f"p{n}@example.org") for n in range(6)]
        stub.knows("p0@example.org", name="Person Nought", organization="Example Works")
        stub.says |= {"p1@example.org": 429, "p2@example.org": Sources.CUT}
        host, port = stub.url.removeprefix("http://").split(":")
        with connections() as made:
            for source in ("FULLCONTACT", "PEOPLE_DATA_LABS"):
                answer = (await ask(client, CONSENT, variables={"source": source, "granted": True})).json()
                assert answer["data"]["setEnrichmentConsent"]["errors"] == []
            query = "query ($id: ID!) { person(by: {id: $id}) { enrichment { facts { value } sources { outcome } } } }"
            for one in people[:3]:
                await ask(client, query, variables={"id": one})
            run = (await ask(client, ENRICH, variables={"ids": people})).json()["data"]["enrichPeople"]["run"]
            assert run is not None
            viewer = household.viewer
            await worker.of(installation).run_one(viewer, JOB, run["id"])
            await ask(client, CONSENT, variables={"source": "FULLCONTACT", "granted": False})
            before = len(stub.received)
            await ask(client, query, variables={"id": people[5]})
            await ask(client, CONSENT, variables={"source": "PEOPLE_DATA_LABS", "granted": False})
            after = len(stub.received)
            for one in people:
                await ask(client, query, variables={"id": one})
        assert {place for _, place in made} == {(host, int(port))} and {event for event, _ in made} == {"socket.connect"}
        assert len(stub.received) == after and after >= before
        rows = [edge["node"] for edge in (await ask(client, LOG)).json()["data"]["viewer"]["disclosures"]["edges"]]
        told = sorted((row["request"], row["body"] or "") for row in rows)
        assert told == sorted((f"{method} {url}", body.decode()) for method, url, body in stub.received)
        assert stub.violations == []
        assert {row["purpose"] for row in rows} == {"CONSENT"}
        assert max(stub.asked.values()) == 1 or stub.says  # nothing that was answered is asked twice
        assert [n for (_, value), n in stub.asked.items() if n > 1 and value not in stub.says] == []


def _objects(kind: GraphQLObjectType) -> Iterator[tuple[str, GraphQLObjectType]]:
    """The fields of a type that give objects and need no arguments, as they are selected."""
    for name, field in kind.fields.items():
        inner = get_named_type(field.type)
        if isinstance(inner, GraphQLObjectType) and not any(is_required_argument(each) for each in field.args.values()):
            yield name + ("(first: 5)" if "first" in field.args else ""), inner
