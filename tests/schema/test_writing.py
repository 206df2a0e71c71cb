"""Mutations: what they change, what they refuse as data, and that a key gives its first answer again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

import pytest
from sqlalchemy import Connection, select

from providers.base import FormField, LinkMethod, Provider
from resolvers.linking import CredentialForm, LinkRefused, LinkSession, OAuthRedirect
from resolvers.mistakes import Mistake
from store import leases, viewers
from store.feed import TALLY_JOB
from store.tables import account, api_key, idempotency
from tests.asking import Desk, nodes
from tests.household import ME, NOW
from tests.schema.village import Village

CARDDAV = Provider(
    key="carddav", name="CardDAV", kind="ADDRESS_BOOK", mode="MIRRORED", capabilities=frozenset({"CONTACTS"}), poll_seconds=600
)


@pytest.fixture
def networked(desk: Desk) -> Desk:
    """The same desk in an installation that speaks CardDAV."""
    return Desk(desk.household, providers={"carddav": CARDDAV})


async def write(desk: Desk, call: str, selection: str, **variables: Any) -> Any:
    """The payload of one mutation, errors and cursor included."""
    query = f"mutation {{ done: {call} {{ {selection} errors {{ __typename code message field }} feedCursor }} }}"
    return (await desk.ask(query, **variables))["done"]


async def jobs(desk: Desk) -> set[tuple[str, str]]:
    found = await desk.household.database.system_read(leases.listed, viewer=desk.household.viewer)
    return {
        (job.kind, job.subject) for job in found if job.kind != TALLY_JOB
    }  # what arrived in the village is still to be counted


async def kept_rows(desk: Desk) -> int:
    def read(conn: Connection, viewer: str) -> int:
        return len(conn.execute(select(idempotency).where(idempotency.c.viewer_id == viewer)).all())

    return await desk.household.database.read(desk.household.viewer, read)


# --- accounts -------------------------------------------------------------------------------------------------------------


async def test_a_label_is_changed_and_the_feed_tells(desk: Desk, village: Village) -> None:
    done = await write(
        desk, f'updateAccount(input: {{ accountId: "{village.box}", label: "  Home   mail " }})', "account { label version }"
    )
    assert done["account"]["label"] == "Home mail"
    query = "query($since: Cursor) { viewer { changes(since: $since) { edges { node { __typename } } } } }"
    assert nodes((await desk.ask(query, since=done["feedCursor"]))["viewer"]["changes"]) == []


@pytest.mark.parametrize(
    ("value", "code", "field"),
    [('label: "   "', "REQUIRED", ["label"]), (f'label: "{"x" * 201}"', "TOO_LONG", ["label"])],
)
async def test_a_label_that_is_none_is_refused_as_data(
    desk: Desk, village: Village, value: str, code: str, field: list[str]
) -> None:
    done = await write(desk, f'updateAccount(input: {{ accountId: "{village.box}", {value} }})', "account { label }")
    assert done["account"] is None
    assert [(e["__typename"], e["code"], e["field"]) for e in done["errors"]] == [("InputError", code, field)]
    assert done["feedCursor"] is None


async def test_a_paused_account_does_not_synchronise_until_it_goes_on(networked: Desk) -> None:
    desk = networked
    book = await desk.household.account("carddav", "ada")
    done = await write(desk, f'updateAccount(input: {{ accountId: "{book}", paused: true }})', "account { status statusReason }")
    assert done["account"]["status"] == "PAUSED"
    refused = await write(desk, f'refreshAccount(input: {{ accountId: "{book}" }})', "account { id }")
    assert [e["code"] for e in refused["errors"]] == ["NOT_WRITABLE"]
    assert await jobs(desk) == set()
    done = await write(desk, f'updateAccount(input: {{ accountId: "{book}", paused: false }})', "account { status statusReason }")
    assert done["account"] == {"status": "SYNCING", "statusReason": None}
    assert await jobs(desk) == {("sync", book)}


async def test_a_refresh_asks_for_one_synchronisation(networked: Desk) -> None:
    desk = networked
    book = await desk.household.account("carddav", "ada")
    for _ in range(2):
        done = await write(desk, f'refreshAccount(input: {{ accountId: "{book}", verify: true }})', "account { id }")
        assert (done["account"]["id"], done["errors"], done["feedCursor"]) == (book, [], None)
    assert await jobs(desk) == {("sync", book)}


async def test_files_are_refreshed_by_importing_again(desk: Desk, village: Village) -> None:
    done = await write(desk, f'refreshAccount(input: {{ accountId: "{village.book}" }})', "account { id }")
    assert [e["code"] for e in done["errors"]] == ["UNSUPPORTED"]


async def test_unlinking_answers_at_once_and_says_how_much_goes(desk: Desk, village: Village) -> None:
    done = await write(desk, f'unlinkAccount(input: {{ accountId: "{village.book}" }})', "accountId erasedCount")
    assert (done["accountId"], done["erasedCount"]) == (village.book, 5)
    assert ("unlink", village.book) in await jobs(desk)
    shown = await desk.ask("query($id: ID!) { node(id: $id) { ... on Account { status } } }", id=village.book)
    assert shown["node"]["status"] == "UNLINKING"
    again = await write(desk, f'unlinkAccount(input: {{ accountId: "{village.book}" }})', "accountId")
    assert [(e["__typename"], e["code"]) for e in again["errors"]] == [("NodeError", "NOT_WRITABLE")]


@pytest.mark.parametrize(("node_id", "code"), [("a_nothing", "NOT_FOUND"), ("p_person", "WRONG_KIND"), ("nonsense", "NOT_FOUND")])
async def test_a_write_to_what_is_no_account_is_refused_as_data(desk: Desk, node_id: str, code: str) -> None:
    done = await write(desk, f'updateAccount(input: {{ accountId: "{node_id}", label: "x" }})', "account { id }")
    assert [(e["__typename"], e["code"], e["field"]) for e in done["errors"]] == [("NodeError", code, ["accountId"])]


async def test_an_own_address_is_noted_corrected_and_looked_after(desk: Desk, village: Village) -> None:
    call = (
        f'setOwnAddress(input: {{ accountId: "{village.box}", value: "Second@EXAMPLE.org", addressKind: EMAIL, '
        "mine: true, primary: true })"
    )
    fields = "ownAddress { id value mine primary origin canSend account { id } version }"
    done = await write(desk, call, fields)
    assert done["ownAddress"] == {
        "id": done["ownAddress"]["id"], "value": "Second@example.org", "mine": True, "primary": True, "origin": "MANUAL",
        "canSend": False, "account": {"id": village.box}, "version": 1,
    }  # fmt: skip
    assert ("own", done["ownAddress"]["id"]) in await jobs(desk)
    data = await desk.ask("{ viewer { ownAddresses { value primary mine } } }")
    assert data["viewer"]["ownAddresses"][0] == {"value": "Second@example.org", "primary": True, "mine": True}
    assert {"value": ME, "primary": False, "mine": True} in data["viewer"]["ownAddresses"]
    done = await write(desk, call.replace("mine: true, primary: true", "mine: false"), fields)
    assert (done["ownAddress"]["mine"], done["ownAddress"]["primary"], done["ownAddress"]["version"]) == (False, False, 2)


@pytest.mark.parametrize("value", ["", "no address", "@example.org", "robin@", "x" * 400])
async def test_what_is_no_address_is_refused_as_data(desk: Desk, village: Village, value: str) -> None:
    call = f'setOwnAddress(input: {{ accountId: "{village.box}", value: "{value}", addressKind: EMAIL, mine: true }})'
    done = await write(desk, call, "ownAddress { id }")
    assert [(e["code"], e["field"]) for e in done["errors"]] == [("INVALID", ["value"])]


# --- viewer and keys ------------------------------------------------------------------------------------------------------


async def test_the_profile_is_changed(desk: Desk) -> None:
    call = 'updateViewer(input: { name: "Robin R.", locale: "de-AT", timeZone: "Europe/Vienna", region: "at" })'
    done = await write(desk, call, "viewer { name locale timeZone region }")
    assert done["viewer"] == {"name": "Robin R.", "locale": "de-AT", "timeZone": "Europe/Vienna", "region": "AT"}
    done = await write(desk, 'updateViewer(input: { region: "" })', "viewer { name region }")
    assert done["viewer"] == {"name": "Robin R.", "region": None}


async def test_a_name_that_is_taken_is_refused_without_saying_by_whom(desk: Desk) -> None:
    await desk.household.database.write("u_morgan", viewers.add, "morgan", NOW)
    done = await write(desk, 'updateViewer(input: { name: "morgan" })', "viewer { name }")
    assert [(e["code"], e["field"]) for e in done["errors"]] == [("CONFLICT", ["name"])]
    assert "morgan" not in done["errors"][0]["message"]


async def test_a_key_is_shown_once_and_kept_as_a_hash(desk: Desk) -> None:
    done = await write(
        desk, 'createApiKey(input: { name: "Phone", scopes: [READ, WRITE] })', "secret apiKey { id name prefix scopes version }"
    )
    assert done["apiKey"]["scopes"] == ["READ", "WRITE"]
    assert done["secret"].startswith(f"kith_{done['apiKey']['prefix']}_")
    listed = (await desk.ask("{ viewer { apiKeys { id name revokedAt lastUsedAt } } }"))["viewer"]["apiKeys"]
    assert [k["name"] for k in listed] == ["Phone"]

    def stored(conn: Connection, viewer: str) -> str:
        return str(conn.execute(select(api_key)).all())

    assert done["secret"] not in await desk.household.database.read(desk.household.viewer, stored)
    gone = await write(desk, f'revokeApiKey(input: {{ apiKeyId: "{done["apiKey"]["id"]}" }})', "apiKey { revokedAt version }")
    assert gone["apiKey"]["revokedAt"] is not None
    assert gone["apiKey"]["version"] == 2
    again = await write(desk, f'revokeApiKey(input: {{ apiKeyId: "{done["apiKey"]["id"]}" }})', "apiKey { id }")
    assert [e["code"] for e in again["errors"]] == ["ALREADY_DONE"]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ('name: "x", scopes: []', "REQUIRED"),
        ('name: " ", scopes: [READ]', "REQUIRED"),
        ('name: "x", scopes: [READ], expiresAt: "2020-01-01T00:00:00Z"', "INVALID"),
    ],
)
async def test_a_key_that_makes_no_sense_is_refused_as_data(desk: Desk, value: str, code: str) -> None:
    done = await write(desk, f"createApiKey(input: {{ {value} }})", "secret")
    assert ([e["code"] for e in done["errors"]], done["secret"]) == ([code], None)


async def test_nobody_gives_a_key_more_than_they_may_do(desk: Desk) -> None:
    query = 'mutation { createApiKey(input: { name: "x", scopes: [READ, SEND] }) { secret errors { code message } } }'
    result = await desk.execute(query, operation=desk.operation(scopes=frozenset({"read", "admin"})))
    assert result.data["createApiKey"]["secret"] is None
    assert result.data["createApiKey"]["errors"][0]["code"] == "INVALID"


async def test_a_key_is_a_node_only_for_those_who_may_make_keys(desk: Desk) -> None:
    done = await write(desk, 'createApiKey(input: { name: "x", scopes: [READ] })', "apiKey { id }")
    query = "query($id: ID!) { node(id: $id) { id } }"
    assert (await desk.ask(query, id=done["apiKey"]["id"]))["node"] is not None
    reader = desk.operation(scopes=frozenset({"read"}))
    assert (await desk.execute(query, operation=reader, id=done["apiKey"]["id"])).data == {"node": None}


# --- the same key again ---------------------------------------------------------------------------------------------------


async def test_the_same_key_and_input_give_the_first_answer_again(desk: Desk) -> None:
    call = 'createApiKey(input: { name: "Phone", scopes: [READ], idempotencyKey: "k1" })'
    first = await write(desk, call, "secret apiKey { id }")
    head = await desk.household.head()
    again = await write(desk, call, "secret apiKey { id }")
    assert again == first
    assert await desk.household.head() == head
    assert len((await desk.ask("{ viewer { apiKeys { id } } }"))["viewer"]["apiKeys"]) == 1


async def test_the_same_key_with_another_input_is_a_conflict(desk: Desk) -> None:
    call = 'createApiKey(input: { name: "%s", scopes: [READ], idempotencyKey: "k1" })'
    await write(desk, call % "Phone", "secret")
    for other in (call % "Tablet", 'updateViewer(input: { name: "x", idempotencyKey: "k1" })'):
        done = await write(desk, other, "")
        assert [(e["code"], e["field"]) for e in done["errors"]] == [("IDEMPOTENCY_CONFLICT", ["idempotencyKey"])]


async def test_a_refused_write_leaves_its_key_free(desk: Desk) -> None:
    refused = await write(desk, 'updateViewer(input: { name: "", idempotencyKey: "k1" })', "")
    assert refused["errors"]
    done = await write(desk, 'updateViewer(input: { name: "Robin", idempotencyKey: "k1" })', "viewer { name }")
    assert done["viewer"] == {"name": "Robin"}


async def test_answers_are_kept_sealed_and_for_thirty_days(desk: Desk) -> None:
    call = 'createApiKey(input: { name: "Phone", scopes: [READ], idempotencyKey: "k1" })'
    first = await write(desk, call, "secret apiKey { id }")

    def stored(conn: Connection, viewer: str) -> bytes:
        return bytes(conn.execute(select(idempotency.c.answer)).scalar_one())

    assert first["secret"].encode() not in await desk.household.database.read(desk.household.viewer, stored)
    desk.clock.time += timedelta(days=31)
    later = await write(desk, call, "secret apiKey { id }")
    assert later["apiKey"]["id"] != first["apiKey"]["id"]
    assert await kept_rows(desk) == 1


@pytest.mark.parametrize("key", ["", "x" * 201])
async def test_a_key_that_is_none_is_refused_as_data(desk: Desk, key: str) -> None:
    done = await write(desk, f'updateViewer(input: {{ name: "x", idempotencyKey: "{key}" }})', "")
    assert [(e["code"], e["field"]) for e in done["errors"]] == [("INVALID", ["idempotencyKey"])]


# --- linking --------------------------------------------------------------------------------------------------------------


class Steps:
    """A linking service that only keeps what it was told (the real one is the gateway's)."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []
        self.sessions: dict[str, LinkSession] = {}

    async def begin(
        self, viewer: str, *, provider: str | None = None, address: str | None = None, account_id: str | None = None,
        method: LinkMethod | None = None, scopes: tuple[str, ...] | None = None, return_url: str | None = None,
    ) -> LinkSession:  # fmt: skip
        self.calls.append(("begin", provider))
        if provider == "unknown":
            raise LinkRefused(Mistake(code="NOT_FOUND", message="There is no such provider.", field=("provider",)))
        if provider == "mastodon":
            step: Any = OAuthRedirect(
                authorization_url="https://social.example/oauth", redirect_uri="https://kith.example.org/link"
            )
            session = LinkSession(id="l_1", state="AWAITING_REDIRECT", expires_at=NOW, provider=provider, step=step)
        else:
            fields = (FormField(name="password", label="Password", kind="PASSWORD", secret=True),)
            step = CredentialForm(method="PASSWORD", fields=fields, help="Your password there.")
            session = LinkSession(id="l_2", state="AWAITING_CREDENTIALS", expires_at=NOW, provider="carddav", step=step)
        self.sessions[session.id] = session
        return session

    async def complete(
        self, viewer: str, link_id: str, *, callback_url: str | None = None, form: Mapping[str, str] | None = None,
        mode: Literal["MIRRORED", "LIVE"] = "MIRRORED",
    ) -> LinkSession:  # fmt: skip
        self.calls.append(("complete", dict(form or {})))
        return LinkSession(id=link_id, state="LINKED", expires_at=NOW, provider="carddav", account_id="a_nothing")

    async def cancel(self, viewer: str, link_id: str) -> LinkSession:
        return LinkSession(
            id=link_id, state="FAILED", expires_at=NOW, error_code="PROVIDER_REFUSED", error_message="The network said no."
        )

    async def get(self, viewer: str, link_id: str) -> LinkSession | None:
        return self.sessions.get(link_id)


LINK = """link { id state expiresAt provider { key } account { id } error { code message } attempts { method }
  step { __typename
  ... on OAuthRedirect { authorizationUrl redirectUri }
  ... on CredentialForm { method help fields { name kind secret required } } } }"""


async def test_linking_shows_what_the_user_has_to_do_next(desk: Desk) -> None:
    desk = Desk(desk.household, linking=Steps())
    done = await write(desk, 'beginLink(input: { provider: "mastodon" })', LINK)
    assert done["link"]["step"] == {
        "__typename": "OAuthRedirect", "authorizationUrl": "https://social.example/oauth",
        "redirectUri": "https://kith.example.org/link",
    }  # fmt: skip
    done = await write(desk, 'beginLink(input: { provider: "carddav" })', LINK)
    assert done["link"]["step"]["fields"] == [{"name": "password", "kind": "PASSWORD", "secret": True, "required": True}]
    form = 'credentials: { form: [{ name: "password", value: "secret" }] }'
    done = await write(desk, f'completeLink(input: {{ linkId: "l_2", {form} }})', f"{LINK} account {{ id }}")
    assert (done["link"]["state"], done["account"]) == ("LINKED", None)
    done = await write(desk, 'cancelLink(input: { linkId: "l_2" })', LINK)
    assert done["link"]["error"] == {"code": "PROVIDER_REFUSED", "message": "The network said no."}


async def test_linking_is_refused_as_data(desk: Desk) -> None:
    linked = Desk(desk.household, linking=Steps())
    done = await write(linked, 'beginLink(input: { provider: "unknown" })', LINK)
    assert [(e["code"], e["field"]) for e in done["errors"]] == [("NOT_FOUND", ["provider"])]
    done = await write(linked, "beginLink(input: {})", LINK)
    assert [e["code"] for e in done["errors"]] == ["REQUIRED"]
    done = await write(desk, 'beginLink(input: { provider: "carddav" })', LINK)
    assert [e["code"] for e in done["errors"]] == ["UNSUPPORTED"]


async def test_beginning_twice_with_one_key_is_beginning_once(desk: Desk) -> None:
    steps = Steps()
    desk = Desk(desk.household, linking=steps)
    call = 'beginLink(input: { provider: "carddav", idempotencyKey: "k" })'
    assert await write(desk, call, LINK) == await write(desk, call, LINK)
    assert len(steps.calls) == 1


async def test_secrets_of_a_form_are_not_kept_with_the_key(desk: Desk) -> None:
    desk = Desk(desk.household, linking=Steps())
    form = 'credentials: { form: [{ name: "password", value: "hunter2" }] }'
    await write(desk, f'completeLink(input: {{ linkId: "l_2", {form}, idempotencyKey: "k" }})', "link { id }")

    def stored(conn: Connection, viewer: str) -> str:
        return str(conn.execute(select(idempotency)).all()) + str(conn.execute(select(account)).all())

    assert "hunter2" not in await desk.household.database.read(desk.household.viewer, stored)


async def test_the_catalogue_shows_networks_by_what_they_can_do(networked: Desk) -> None:
    query = """query($c: [Capability!]) { providers(capabilities: $c) {
      id key name kind configured capabilities linkForms { label } quotas } }"""
    (shown,) = (await networked.ask(query, c=["CONTACTS"]))["providers"]
    assert (shown["key"], shown["capabilities"], shown["configured"]) == ("carddav", ["CONTACTS"], True)
    assert (await networked.ask(query, c=["CONTACTS", "LIVE"]))["providers"] == []
    node = await networked.ask("query($id: ID!) { node(id: $id) { ... on Provider { key } } }", id=shown["id"])
    assert node["node"] == {"key": "carddav"}


async def test_the_installation_tells_its_limits(desk: Desk) -> None:
    data = await desk.ask("{ server { version apiUrl transports limits { maxPageSize changeRetention maxUploadBytes } } }")
    assert data["server"]["apiUrl"] == "https://kith.example.org/graphql"
    assert data["server"]["limits"] == {"maxPageSize": 200, "changeRetention": "P90D", "maxUploadBytes": 2_000_000_000}
