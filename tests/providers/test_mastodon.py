"""Mastodon against a compatible server, and against answers that other servers have been seen to give."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import msgspec
import pytest

from providers import oauth
from providers.errors import CursorExpired, Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.mastodon import adapter as mastodon
from providers.mastodon.adapter import PROVIDER, Mastodon, base_url
from providers.mastodon.entity import post_text
from providers.records import Contact, Unreadable
from providers.session import Secret
from tests import servers
from tests.providers.conftest import NOON, Exchange, HandClock, SessionMaker, http_answer, scripted
from tests.providers.contract import AdapterContract, Mirror


class Community:
    """The account of the server's first user, who is alone until it is filled: then 24 people are there, whom they follow or who follow
    them. Nobody has posted anything, so that a run asks little."""

    provider = PROVIDER

    def __init__(self, server: servers.Mastodon) -> None:
        self.server = server
        self.server_url = server.url
        self.path = ""
        self.secret = Secret(access_token=server.token)
        self._people: list[str] = []

    def fill(self) -> None:
        for number in range(24):
            self.server.control("POST", "dev_user", {"username": f"gen_{number}", "display_name": f"Person {number}"})
        tokens = self.server.tokens()
        self._people = [name for name in tokens if name.startswith("gen_")]
        me = self.server.get("/api/v1/accounts/verify_credentials")
        others = {name: self.server.get("/api/v1/accounts/verify_credentials", tokens[name])["id"] for name in self._people[:24]}
        for account in list(others.values())[:14]:
            self.server.post(f"/api/v1/accounts/{account}/follow", {})
        for name in list(others)[8:]:
            self.server.post(f"/api/v1/accounts/{me['id']}/follow", {}, tokens[name])

    def names(self) -> set[str]:
        me = self.server.get("/api/v1/accounts/verify_credentials")["id"]
        return {
            account["username"]
            for walk in ("following", "followers")
            for account in self.server.get(f"/api/v1/accounts/{me}/{walk}?limit=80")
        }

    def name_of(self, contact: Contact) -> str:
        return contact.handles[0].handle.partition("@")[0]

    def remove(self) -> str:
        """Unfollows somebody who does not follow back."""
        name = self._people[2]
        account = self.server.get(f"/api/v1/accounts/lookup?acct={name}")
        self.server.post(f"/api/v1/accounts/{account['id']}/unfollow", {})
        return name

    def foreign_cursor(self, cursor: bytes) -> bytes:
        return b'{"form":2,"walk":"followers","query":"limit=80&max_id=999999999999999999999"}'


class TestMastodon(AdapterContract):
    @pytest.fixture(autouse=True)
    def small_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(mastodon, "FOLLOWS_PAGE", 8)

    @pytest.fixture
    def rig(self, mastodon_server: servers.Mastodon) -> Community:
        return Community(mastodon_server)


# --- the community, further -----------------------------------------------------------------------------------------------


@pytest.fixture
def community(mastodon_server: servers.Mastodon) -> Community:
    community = Community(mastodon_server)
    community.fill()
    return community


def opened(community: Community, new_session: SessionMaker, token: str | None = None, **more: Any) -> Mastodon:
    secret = Secret(access_token=token) if token else community.secret
    return Mastodon(new_session(community.server_url, provider="mastodon", secret=secret, quota=PROVIDER.quota, **more))


async def test_who_follows_and_is_followed_is_one_contact(community: Community, new_session: SessionMaker) -> None:
    mirror = await Mirror().follow(opened(community, new_session))
    relations = {community.name_of(contact): contact.relation for contact in mirror.contacts.values()}
    people = community._people[:24]
    assert [relations[name] for name in people] == ["FOLLOWING"] * 8 + ["CONNECTION"] * 6 + ["FOLLOWER"] * 10


async def test_a_direct_post_is_a_conversation_with_its_thread(community: Community, new_session: SessionMaker) -> None:
    ada, bob, *_ = community._people
    tokens = community.server.tokens()
    first = community.server.post("/api/v1/statuses", {"status": f"@{bob} Lunch?", "visibility": "direct"}, tokens[ada])
    community.server.post(
        "/api/v1/statuses", {"status": f"@{ada} Yes", "visibility": "direct", "in_reply_to_id": first["id"]}, tokens[bob]
    )
    adapter = opened(community, new_session, tokens[ada])
    heads = await adapter.heads(None, 20)
    assert [participant.address.partition("@")[0] for participant in heads.items[0].participants] == [bob]
    assert heads.items[0].kind == "DIRECT"
    assert heads.items[0].last_message is not None
    thread = await adapter.messages(heads.items[0].key)
    assert [message.text for message in thread.items] == [f"@{bob} Lunch?", f"@{ada} Yes"]
    assert [message.participants[0].role for message in thread.items] == ["FROM", "FROM"]
    assert [message.participants[1].address.partition("@")[0] for message in thread.items] == [bob, ada]
    assert thread.complete
    assert (await opened(community, new_session, tokens[ada]).messages(heads.items[0].key)).items == thread.items


async def test_conversations_are_paged_latest_first(community: Community, new_session: SessionMaker) -> None:
    ada, *others = community._people[:6]
    tokens = community.server.tokens()
    for other in others:
        community.server.post("/api/v1/statuses", {"status": f"@{ada} hello", "visibility": "direct"}, tokens[other])
    adapter = opened(community, new_session, tokens[ada])
    found, token, pages = [], None, 0
    while pages < 10:
        heads = await adapter.heads(token, 2)
        found += [head.participants[0].address.partition("@")[0] for head in heads.items]
        token, pages = heads.next_token, pages + 1
        if token is None:
            break
    assert found == others[::-1]
    assert pages > 2


async def test_a_conversation_that_is_not_there_is_refused(community: Community, new_session: SessionMaker) -> None:
    with pytest.raises(Refused) as refusal:
        await opened(community, new_session).messages("12345")
    assert refusal.value.provider_code == "not-found"


async def test_the_servers_own_faults_have_their_names(community: Community, new_session: SessionMaker, clock: HandClock) -> None:
    server = community.server
    for effect, error, seconds in (
        ({"type": "status", "status": 503}, Unavailable, 60),
        ({"type": "ratelimit"}, RateLimited, 60),
        ({"type": "malformed", "truncate": True}, ProviderError, 60),
        ({"type": "latency", "delay_ms": 1500}, Unavailable, 0.7),
    ):
        server.fault(effect, "/api/v1/conversations")
        deadline = (clock.now() + timedelta(seconds=seconds)).timestamp()
        with pytest.raises(error):
            await opened(community, new_session, interactive=True, deadline=deadline).heads(None, 20)
        server.clear_faults()
    with pytest.raises(ReauthRequired):
        await opened(community, new_session, "revoked").profile()


async def test_linking_registers_signs_in_and_reads_the_profile(community: Community, new_session: SessionMaker) -> None:
    """Up to the browser's part, which the server's own form stands for."""
    back, verifier = "http://127.0.0.1:9/link/callback", "v" * 64
    session = new_session(community.server_url, provider="mastodon")
    authorization = await mastodon.authorize(session, {"server": community.server_url}, back)
    url = urlsplit(oauth.authorization_url(authorization, back, "state-1", verifier))
    assert f"{url.scheme}://{url.netloc}" == community.server_url
    query = parse_qs(url.query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == [back]
    page = await session.request("GET", url.geturl(), auth=False, follow=False, accept_statuses=range(200, 400))
    assert page.status in (200, 302, 303)


# --- scripted servers -----------------------------------------------------------------------------------------------------


def account(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "username": f"p{number}",
        "acct": f"p{number}",
        "display_name": f"Person {number}",
        "url": f"https://social.example.org/@p{number}",
        "uri": f"https://social.example.org/users/p{number}",
        "followers_count": 1,
        "following_count": 2,
        **more,
    }


def status(number: int, author: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": str(number),
        "uri": f"https://social.example.org/s/{number}",
        "account": author,
        "created_at": f"2026-01-01T00:00:{number:02}.000Z",
        "content": f"<p>post {number}</p>",
        "mentions": [],
        "media_attachments": [],
        **more,
    }


class Api:
    """A server made of answers by path; unknown paths are 404, as in Mastodon."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {
            "/api/v2/instance": {"domain": "example.org"},
            "/api/v1/accounts/verify_credentials": account(1),
            "/api/v1/accounts/relationships": [],
            **{name.replace("__", "/"): value for name, value in answers.items()},
        }
        self.calls: list[str] = []

    def __call__(self, exchange: Exchange) -> bytes:
        path = exchange.path.partition("?")[0]
        self.calls.append(exchange.path)
        answer = self.answers.get(path, http_answer(404, '{"error":"Record not found"}'))
        if callable(answer):
            answer = answer(exchange)
        return answer if isinstance(answer, bytes) else http_answer(200, msgspec.json.encode(answer))


def follows(following: Any, followers: Any = ()) -> Api:
    api = Api()
    api.answers["/api/v1/accounts/1/following"] = following
    api.answers["/api/v1/accounts/1/followers"] = list(followers) if isinstance(followers, tuple) else followers
    return api


async def contacts_of(api: Api, new_session: SessionMaker) -> Mirror:
    async with scripted(api) as server:
        return await Mirror().follow(Mastodon(new_session(server.url, secret=Secret(access_token="t"))))


async def only(new_session: SessionMaker, **fields: Any) -> Contact:
    mirror = await contacts_of(follows([account(2, **fields)]), new_session)
    (contact,) = mirror.contacts.values()
    assert isinstance(contact, Contact)
    return contact


async def test_the_fields_of_an_account_arrive(new_session: SessionMaker) -> None:
    contact = await only(
        new_session,
        acct="ada@elsewhere.example",
        display_name=":blob: Ada  Lovelace :blob:",
        emojis=[{"shortcode": "blob", "url": "x"}],
        note="<p>Counts.</p><p>And <a href='x'>more</a> &amp; more</p>",
        avatar="https://cdn.example.org/a.png",
        created_at="2020-02-03T00:00:00.000Z",
        bot=True,
        fields=[
            {
                "name": "Blog",
                "value": '<a href="https://ada.example.org/?a=1&amp;b=2" rel="me"><span class="invisible">https://</span>ada</a>',
                "verified_at": "2024-01-01T00:00:00.000+00:00",
            },
            {"name": "Other", "value": '<a href="https://claimed.example.com">c</a>', "verified_at": None},
            {"name": "Pronouns", "value": "she.her", "verified_at": None},
            {"name": "Evil", "value": '<a href="javascript:alert(1)">x</a>', "verified_at": "2024-01-01T00:00:00.000+00:00"},
        ],
    )
    assert contact.key == "ada@elsewhere.example"
    assert contact.names[0].full == "Ada Lovelace"
    assert (contact.handles[0].provider, contact.handles[0].handle) == ("mastodon", "ada@elsewhere.example")
    assert contact.bio == "Counts.\n\nAnd more & more"
    assert [(url.url, url.label, url.verified) for url in contact.urls] == [
        ("https://ada.example.org/?a=1&b=2", "Blog", True),
        ("https://claimed.example.com", "Other", False),
    ]
    assert contact.nature == "AUTOMATED"
    assert contact.photo is not None
    assert contact.photo.url == "https://cdn.example.org/a.png"
    assert contact.created_at == datetime(2020, 2, 3, tzinfo=UTC)
    assert (contact.followers, contact.following, contact.url) == (1, 2, "https://social.example.org/@p2")


async def test_a_bare_name_gets_the_domain_that_the_server_says(new_session: SessionMaker) -> None:
    contact = await only(new_session)
    assert contact.key == contact.handles[0].handle == "p2@example.org"


async def test_where_the_server_says_nothing_of_its_domain_nobody_gets_another_name(new_session: SessionMaker) -> None:
    api = follows([account(2)])
    api.answers["/api/v2/instance"] = api.answers["/api/v1/instance"] = {}
    with pytest.raises(Malformed):
        await contacts_of(api, new_session)
    del api.answers["/api/v2/instance"]
    api.answers["/api/v1/instance"] = {"uri": "https://Example.org/"}
    (contact,) = (await contacts_of(api, new_session)).contacts.values()
    assert contact.key == "p2@example.org"


async def test_an_account_that_moved_names_both(new_session: SessionMaker) -> None:
    contact = await only(new_session, moved=account(9, acct="ada@new.example.com"))
    assert [handle.handle for handle in contact.handles] == ["p2@example.org", "ada@new.example.com"]


@pytest.mark.parametrize(
    "odd",
    [
        {"display_name": None, "note": None, "fields": None, "emojis": None, "bot": None, "url": None},
        {"followers_count": -1, "created_at": "never", "avatar": "https://x.example/avatars/original/missing.png"},
        {"display_name": "\u0000" * 50 + "A" * 100_000, "note": "<p>" * 100_000},
        {"url": "javascript:alert(1)", "avatar": "data:image/png;base64,xx"},
        {"created_at": "0001-01-01T00:00:00+14:00"},
        {"note": "</a>" * 50_000 + "<a " * 50_000},
    ],
)
async def test_an_odd_account_is_still_a_contact(new_session: SessionMaker, odd: dict[str, Any]) -> None:
    contact = await only(new_session, **odd)
    assert contact.names[0].full
    assert "\x00" not in repr(contact)
    assert contact.url is None or contact.url.startswith("https://")
    assert len(contact.names[0].full) <= 1000


@pytest.mark.parametrize(
    "broken", [None, 5, {}, {"id": 5, "acct": "x"}, {"id": "5"}, [], account(3, fields="x"), account(3, moved=1)]
)
async def test_an_account_that_cannot_be_read_is_reported_and_the_others_arrive(new_session: SessionMaker, broken: Any) -> None:
    async with scripted(follows([account(2), broken, account(4)])) as server:
        adapter = Mastodon(new_session(server.url, secret=Secret(access_token="t")))
        rows = [row.item async for page in adapter.pages(None) for row in page.rows]
    assert [type(item) for item in rows].count(Contact) == 2
    assert [type(item) for item in rows].count(Unreadable) == 1


def paged(*pages: tuple[list[Any], str | None]) -> Any:
    """Answers a list's pages by the `page` in the query; each names its next one by a Link."""

    def answer(exchange: Exchange) -> bytes:
        number = int(dict(parse_qsl(urlsplit(exchange.path).query)).get("page", "0"))
        items, link = pages[number]
        headers = {"Link": link.format(host=exchange.headers["host"])} if link else {}
        return http_answer(200, msgspec.json.encode(items), **headers)

    return answer


async def test_pages_are_followed_by_their_links(new_session: SessionMaker) -> None:
    link = '<http://{host}/api/v1/accounts/1/following?page=1>; rel="next", <http://{host}/x>; rel="prev"'
    mirror = await contacts_of(follows(paged(([account(2)], link), ([account(3)], None))), new_session)
    assert len(mirror.contacts) == 2


@pytest.mark.parametrize(
    "link",
    [
        '<https://evil.example.com/api/v1/accounts/1/following?page=1>; rel="next"',
        '<http://{host}/api/v1/accounts/1/secrets?page=1>; rel="next"',
        '<http://{host}/api/v1/accounts/1/following?page=0>; rel="next"',
    ],
    ids=["other host", "other list", "circle"],
)
async def test_a_link_that_leads_elsewhere_or_in_circles_is_malformed(new_session: SessionMaker, link: str) -> None:
    with pytest.raises(Malformed):
        await contacts_of(follows(paged(([account(2)], link))), new_session)


async def test_a_list_taken_up_in_the_middle_asks_who_is_in_both(new_session: SessionMaker) -> None:
    api = follows([account(2), account(3)], (account(3), account(4)))
    api.answers["/api/v1/accounts/relationships"] = [{"id": "3", "following": True, "followed_by": True}]
    async with scripted(api) as server:
        mirror = Mirror()
        mirror.cursor = b'{"form":2,"walk":"followers"}'
        await mirror.follow(Mastodon(new_session(server.url, secret=Secret(access_token="t"))))
    assert sorted((contact.names[0].full, contact.relation) for contact in mirror.contacts.values()) == [
        ("Person 3", "CONNECTION"),
        ("Person 4", "FOLLOWER"),
    ]


@pytest.mark.parametrize("code", [400, 404, 410, 422])
async def test_a_place_the_server_forgot_starts_again(new_session: SessionMaker, code: int) -> None:
    def answer(exchange: Exchange) -> bytes:
        return http_answer(code, "{}") if "old" in exchange.path else http_answer(200, "[]")

    async with scripted(follows(answer)) as server:
        with pytest.raises(CursorExpired):
            async for _ in Mastodon(new_session(server.url)).pages(b'{"form":2,"walk":"following","query":"max_id=old"}'):
                pass


async def test_an_empty_list_beside_a_count_deletes_nobody(new_session: SessionMaker) -> None:
    async with scripted(follows([])) as server:
        mirror = Mirror()
        mirror.contacts = {"x": Contact(key="x", relation="FOLLOWING", container="follows")}
        await mirror.follow(Mastodon(new_session(server.url)))
    assert list(mirror.contacts) == ["x"]


async def test_a_list_is_a_group_of_those_who_are_in_it(new_session: SessionMaker) -> None:
    api = follows([account(2), account(3)], (account(4),))
    api.answers["/api/v1/lists"] = [{"id": "7", "title": "Boat club"}, {"id": "8", "title": "Choir"}, {"id": 9}]
    link = '<http://{host}/api/v1/lists/7/accounts?page=1>; rel="next"'
    api.answers["/api/v1/lists/7/accounts"] = paged(([account(2)], link), ([account(3)], None))
    api.answers["/api/v1/lists/8/accounts"] = [account(2)]
    groups = {each.names[0].full: each.groups for each in (await contacts_of(api, new_session)).contacts.values()}
    assert groups == {"Person 2": ("Boat club", "Choir"), "Person 3": ("Boat club",), "Person 4": ()}
    api.answers["/api/v1/lists"] = http_answer(403, '{"error":"This action is outside the authorized scopes"}')
    assert {each.groups for each in (await contacts_of(api, new_session)).contacts.values()} == {()}


async def test_a_private_note_about_somebody_comes_along(new_session: SessionMaker) -> None:
    api = follows([account(2)])
    api.answers["/api/v1/accounts/relationships"] = [{"id": "2", "followed_by": True, "note": "met in Turin"}]
    (contact,) = (await contacts_of(api, new_session)).contacts.values()
    assert (contact.relation, contact.note) == ("CONNECTION", "met in Turin")


@pytest.mark.parametrize(
    ("code", "text", "error"),
    [
        (403, "This action is outside the authorized scopes", Refused),
        (403, "Your login is currently disabled", ReauthRequired),
        (403, "Your login is currently pending approval", ReauthRequired),
        (403, "Forbidden", Refused),
        (401, "The access token is invalid", ReauthRequired),
        (401, "The access token was revoked", ReauthRequired),
        (404, "Not found", Refused),
        (503, "", Unavailable),
    ],
)
async def test_the_three_kinds_of_no_are_told_apart(
    new_session: SessionMaker, code: int, text: str, error: type[ProviderError]
) -> None:
    api = Api()
    api.answers["/api/v1/accounts/verify_credentials"] = http_answer(code, msgspec.json.encode({"error": text}))
    async with scripted(api) as server:
        with pytest.raises(error):
            await Mastodon(new_session(server.url, secret=Secret(access_token="t"))).profile()


@pytest.mark.parametrize(
    "reset", ["2026-05-04T12:03:20.000000Z", str(int(NOON.timestamp()) + 200)], ids=["Mastodon", "GoToSocial"]
)
async def test_rate_headers_are_read_in_both_forms(new_session: SessionMaker, reset: str) -> None:
    api = Api()
    api.answers["/api/v1/conversations"] = http_answer(
        429, "{}", X_RateLimit_Limit="300", X_RateLimit_Remaining="0", X_RateLimit_Reset=reset
    )
    async with scripted(api) as server:
        with pytest.raises(RateLimited) as refusal:
            await Mastodon(new_session(server.url)).heads(None, 20)
    assert refusal.value.retry_at == NOON + timedelta(seconds=200)


def direct(number: int, author: dict[str, Any], *to: int, **more: Any) -> dict[str, Any]:
    """A post for those alone whom it mentions."""
    mentions = [{"id": str(one), "acct": f"p{one}", "url": f"https://social.example.org/@p{one}"} for one in to]
    return status(number, author, **{"visibility": "direct", "mentions": mentions, **more})


async def test_a_thread_is_told_in_order_with_warnings_pictures_and_edits(new_session: SessionMaker) -> None:
    me, bob = account(1), account(2)
    last = direct(
        5,
        bob,
        1,
        content='<p>see <a href="https://example.org/a/very/long/path"><span class="invisible">https://</span>'
        '<span class="ellipsis">example.org/a/ver</span><span class="invisible">y/long/path</span></a></p>',
        spoiler_text="food",
        edited_at="2026-01-02T00:00:00.000Z",
        media_attachments=[{"id": "7", "type": "image"}],
        in_reply_to_id="3",
    )
    api = Api()
    api.answers["/api/v1/conversations"] = [
        {"id": "c1", "unread": True, "accounts": [bob], "last_status": last},
        {"id": "c2", "unread": False, "accounts": [bob], "last_status": None},
        {"id": "c3", "unread": False, "accounts": [bob, account(4)], "last_status": direct(4, bob, 1, 4)},
        {"id": "c4", "unread": False, "accounts": [bob], "last_status": direct(2, me, 2)},
    ]
    api.answers["/api/v1/statuses/5/context"] = {
        "ancestors": [direct(1, me, 2), direct(3, me, 2, in_reply_to_id="1")],
        "descendants": [direct(6, me, 2, content=""), status(8, bob), {"id": 9}],
    }
    api.answers["/api/v1/statuses/2/context"] = {"ancestors": [], "descendants": []}
    async with scripted(api) as server:
        adapter = Mastodon(new_session(server.url))
        heads = await adapter.heads(None, 20)
        thread = await adapter.messages("with:p2@example.org")
    assert [(head.key, head.kind, head.unread) for head in heads.items] == [
        ("with:p2@example.org", "DIRECT", True),
        ("with:p2@example.org p4@example.org", "GROUP", False),
    ]
    assert heads.next_token is None
    assert [message.key[-1] for message in thread.items] == ["1", "2", "3", "5", "6"]
    message = thread.items[3]
    assert message.text == "see https://example.org/a/very/long/path"
    assert (message.subject, message.attachment_count) == ("food", 1)
    assert message.edited_at == datetime(2026, 1, 2, tzinfo=UTC)
    assert [(each.role, each.address, each.kind) for each in message.participants] == [
        ("FROM", "p2@example.org", "HANDLE"),
        ("TO", "p1@example.org", "HANDLE"),
    ]
    assert thread.items[4].body_state == "EMPTY"
    assert not thread.complete, "one post of it could not be read"


async def test_a_posts_id_cannot_lead_to_another_path(new_session: SessionMaker) -> None:
    api = Api()
    evil = direct(5, account(2), 1) | {"id": "../../oauth/revoke?x="}
    api.answers["/api/v1/conversations"] = [{"id": "c1", "accounts": [], "last_status": evil}]
    async with scripted(api) as server:
        with pytest.raises(Malformed):
            await Mastodon(new_session(server.url)).messages("with:p2@example.org")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>one<br>two</p><p>three</p>", "one\ntwo\n\nthree"),
        (
            '<p><span class="h-card"><a href="https://x.example/@bob" class="u-url mention">@<span>bob</span></a></span> hi</p>',
            "@bob hi",
        ),
        ('<a href="https://x.example/tags/cats" class="mention hashtag" rel="tag">#<span>cats</span></a>', "#cats"),
        ('<a href="https://real.example/">https://shown.example/</a>', "https://real.example/"),
        ("a &lt;b&gt; &amp; c", "a <b> & c"),
        ("<script>alert(1)</script>x", "x"),
        (None, ""),
        ("x <a ", "x"),
        ("\x00", "\ufffd"),
    ],
)
def test_a_posts_markup_becomes_text_with_its_links(source: str | None, text: str) -> None:
    assert post_text(source).strip() == text


async def test_registration_falls_back_to_the_wide_scope(new_session: SessionMaker) -> None:
    def apps(exchange: Exchange) -> bytes:
        if "read%3Aaccounts" in exchange.body.decode():
            return http_answer(422, '{"error":"Validation failed: Scopes doesn\'t match configured on the server."}')
        return http_answer(200, '{"client_id":"i","client_secret":"s"}')

    api = Api()
    api.answers["/api/v1/apps"] = apps
    async with scripted(api) as server:
        found = await mastodon.authorize(new_session(server.url), {}, "https://kith.example.org/cb")
    assert found.scopes == ("read", "write")
    assert (found.client_id, found.client_secret) == ("i", "s")
    assert found.token_endpoint == f"{server.url}/oauth/token"


async def test_the_servers_description_cannot_send_the_code_to_another_host(new_session: SessionMaker) -> None:
    api = Api()
    api.answers["/api/v1/apps"] = {"client_id": "i", "client_secret": "s"}
    async with scripted(api) as server:
        api.answers["/.well-known/oauth-authorization-server"] = {
            "issuer": server.url,
            "token_endpoint": "https://evil.example.com/token",
            "authorization_endpoint": f"{server.url}/auth",
            "scopes_supported": [*mastodon.SCOPES, "profile"],
            "authorization_response_iss_parameter_supported": True,
        }
        found = await mastodon.authorize(new_session(server.url), {}, "https://kith.example.org/cb")
    assert found.token_endpoint == f"{server.url}/oauth/token"
    assert found.authorization_endpoint == f"{server.url}/auth"
    assert (found.scopes, found.issuer) == (mastodon.SCOPES, server.url)


@pytest.mark.parametrize(
    "answer", [http_answer(404), http_answer(405), http_answer(200, "<html>"), http_answer(200, "{}"), http_answer(422)]
)
async def test_a_server_that_is_none_says_so(new_session: SessionMaker, answer: bytes) -> None:
    api = Api()
    api.answers["/api/v1/apps"] = answer
    async with scripted(api) as server:
        with pytest.raises((Refused, Malformed)):
            await mastodon.authorize(new_session(server.url), {}, "https://kith.example.org/cb")


@pytest.mark.parametrize(
    ("typed", "origin"),
    [
        ("social.example.org", "https://social.example.org"),
        (" @ada@social.example.org ", "https://social.example.org"),
        ("ada@social.example.org", "https://social.example.org"),
        ("https://social.example.org/@ada", "https://social.example.org"),
        ("https://ada:pw@social.example.org:8443/x?y#z", "https://social.example.org:8443"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("Social.Example.ORG", "https://social.example.org"),
    ],
)
def test_the_server_is_found_in_what_people_type(typed: str, origin: str) -> None:
    assert base_url({"server": typed}) == origin


@pytest.mark.parametrize(
    "typed", ["", "   ", "@", "ftp://x.example", "javascript:alert(1)", "a b", "https://", "http://[::1", "x:99999"]
)
def test_what_is_no_server_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(Refused, match=r"social\.example\.org"):
        base_url({"server": typed})


async def test_a_slow_context_does_not_outlive_the_deadline(new_session: SessionMaker) -> None:
    async def slow(exchange: Exchange) -> bytes:
        if "context" in exchange.path:
            await asyncio.sleep(5)
        return api(exchange)

    api = Api()
    api.answers["/api/v1/conversations"] = [{"id": "c1", "accounts": [], "last_status": direct(5, account(2), 1)}]
    async with scripted(slow) as server:
        session = new_session(server.url, interactive=True, deadline=NOON.timestamp() + 0.5)
        with pytest.raises(Unavailable):
            await Mastodon(session).messages("with:p2@example.org")
