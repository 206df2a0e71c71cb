"""What all of Meta's products share: what errors mean, how much of the allowance is used, proofs of tokens, calls that Meta signs."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest

from providers.errors import Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.meta.api import VERSION, Dialect, Graph, instant, proof, storable
from providers.meta.webhook import REPEATS, Operator, sign
from providers.push import Call, Forged, Line
from providers.session import Secret
from providers.whatsapp.sending import DIALECT as WHATSAPP
from tests.providers.conftest import NOON, Answer, HandClock, SessionMaker, http_answer, scripted

DIALECT = Dialect(name="Meta")
SECRET = Secret(access_token="token", client_id="1", client_secret="app-secret")
LINE = Line(url="https://kith.example.org/hooks/facebook", topic="1", audience="verify me", secret="app-secret")


def said(status: int, code: int, subcode: int = 0, **more: Any) -> bytes:
    error = {"message": "No.", "type": "OAuthException", "code": code, "error_subcode": subcode, "fbtrace_id": "A", **more}
    return http_answer(status, json.dumps({"error": error}), Content_Type="application/json")


async def refused(new_session: SessionMaker, answer: Answer) -> ProviderError:
    async with scripted(answer) as server:
        graph = Graph(new_session(server.url, secret=SECRET), DIALECT)
        with pytest.raises(ProviderError) as refusal:
            await graph.ask("me", dict[str, Any])
    return refusal.value


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (said(400, 4), RateLimited, "no more calls"), (said(400, 17), RateLimited, "no more calls"),
        (said(400, 32), RateLimited, "no more calls"), (said(400, 613), RateLimited, "no more calls"),
        (said(400, 80006), RateLimited, "no more calls"), (said(400, 190, 458), ReauthRequired, "app was removed"),
        (said(401, 190, 460), ReauthRequired, "password was changed"), (said(400, 190, 463), ReauthRequired, "expired"),
        (said(400, 190, 467), ReauthRequired, "not valid"), (said(400, 190), ReauthRequired, "taken back or has ended"),
        (said(400, 102), ReauthRequired, "Link the account again"), (said(403, 10), Refused, "does not allow"),
        (said(403, 200), Refused, "does not allow"), (said(403, 299), Refused, "does not allow"), (said(400, 3), Refused, "does not allow"),
        (said(400, 10, 2018278), Refused, "within 24 hours"), (said(400, 100, 2534022), Refused, "within 24 hours"),
        (said(400, 100), Refused, "did not take the question"), (said(400, 100, 33), Refused, "does not show this"),
        (said(400, 803), Refused, "does not show this"), (said(400, 2), Unavailable, "trouble of its own"),
        (said(400, 999, is_transient=True), Unavailable, "trouble of its own"), (said(400, 368), Refused, "blocked this for a while"),
        (said(400, 31337), Refused, "did not take"), (http_answer(404, "{}"), Refused, "nothing"),
        (http_answer(401, "null"), ReauthRequired, "again"),
        (http_answer(200, "[]"), Malformed, "JSON"), (http_answer(400, "<html>"), Refused, "status 400"),
    ],
)  # fmt: skip
async def test_each_error_says_what_it_asks_of_whom(
    new_session: SessionMaker, answer: bytes, kind: type[ProviderError], words: str
) -> None:
    error = await refused(new_session, answer)
    assert type(error) is kind
    assert words in error.message


async def test_an_error_that_is_hostile_does_no_harm(new_session: SessionMaker) -> None:
    error = await refused(new_session, said(400, 10, message="a\x00b\n" * 10_000))
    assert len(error.message) < 500
    assert "\x00" not in error.message
    assert type(await refused(new_session, http_answer(400, '{"error": ' + "[" * 100_000))) is Refused
    assert type(await refused(new_session, http_answer(400, '{"error": {"code": "4"}}'))) is Refused


async def test_a_block_is_waited_out_for_a_day_and_a_limit_until_meta_says(new_session: SessionMaker) -> None:
    assert (await refused(new_session, said(400, 368))).retry_at == NOON + timedelta(days=1)
    used = json.dumps({"1": [{"type": "pages", "call_count": 100, "estimated_time_to_regain_access": 7}]})
    body = json.dumps({"error": {"message": "No.", "code": 80001}})
    answer = http_answer(400, body, X_Business_Use_Case_Usage=used)
    assert (await refused(new_session, answer)).retry_at == NOON + timedelta(minutes=7)


async def test_a_products_own_limit_lasts_as_long_as_meta_says_too(new_session: SessionMaker) -> None:
    used = json.dumps({"1": [{"type": "whatsapp", "call_count": 100, "estimated_time_to_regain_access": 600}]})
    body = json.dumps({"error": {"message": "No.", "code": 80007}})
    async with scripted(http_answer(400, body, X_Business_Use_Case_Usage=used), http_answer(400, body)) as server:
        for wait in (timedelta(minutes=600), timedelta(minutes=5)):
            graph = Graph(new_session(server.url, secret=SECRET), WHATSAPP)
            with pytest.raises(RateLimited) as refusal:
                await graph.ask("me", dict[str, Any])
            assert refusal.value.retry_at == NOON + wait


@pytest.mark.parametrize(
    ("header", "value", "wait"),
    [
        ("X_App_Usage", '{"call_count":95,"total_time":3,"total_cputime":1}', timedelta(minutes=15)),
        ("X_Page_Usage", '{"call_count":1,"total_time":99,"total_cputime":1}', timedelta(minutes=15)),
        (
            "X_Business_Use_Case_Usage",
            '{"9":[{"type":"messenger","total_cputime":97,"estimated_time_to_regain_access":30}]}',
            timedelta(minutes=30),
        ),
    ],
)
async def test_no_call_is_made_while_the_allowance_is_used_up(
    new_session: SessionMaker, clock: HandClock, header: str, value: str, wait: timedelta
) -> None:
    async with scripted(http_answer(200, "{}", **{header: value}), http_answer(200, "{}")) as server:
        graph = Graph(new_session(server.url, secret=SECRET), DIALECT)
        assert await graph.ask("me", dict[str, Any]) == {}  # what it was told with counts
        with pytest.raises(RateLimited) as refusal:
            await graph.ask("me", dict[str, Any])
        assert refusal.value.retry_at == NOON + wait
        again = Graph(new_session(server.url, secret=SECRET), DIALECT, until=graph.until)
        with pytest.raises(RateLimited):
            await again.ask("me", dict[str, Any])
        assert len(server.seen) == 1
        clock.time += wait
        assert await again.ask("me", dict[str, Any]) == {}


async def test_calls_are_spaced_out_when_little_is_left(new_session: SessionMaker, clock: HandClock) -> None:
    async with scripted(http_answer(200, "{}", X_App_Usage='{"call_count":80}'), http_answer(200, "{}")) as server:
        graph = Graph(new_session(server.url, secret=SECRET), DIALECT)
        await graph.ask("me", dict[str, Any])
        await graph.ask("me", dict[str, Any])
        await graph.ask("me", dict[str, Any])
    assert clock.slept == [2.0]


@pytest.mark.parametrize(
    "header",
    [
        '{"call_count":1e400}',
        '{"call_count":1,"estimated_time_to_regain_access":1e300}',
        "{",
        "null",
        "[]",
        '{"call_count":"many"}',
        '{"1":{}}',
        "é",
    ],
)
async def test_usage_that_cannot_be_read_is_none(new_session: SessionMaker, header: str) -> None:
    more = {"X_App_Usage": header, "X_Business_Use_Case_Usage": header}
    async with scripted(http_answer(200, "{}", **more)) as server:
        graph = Graph(new_session(server.url, secret=SECRET), DIALECT)
        assert await graph.ask("me", dict[str, Any]) == {}
        if "1e" not in header:
            assert await graph.ask("me", dict[str, Any]) == {}


async def test_a_token_is_proved_and_stands_in_no_address(new_session: SessionMaker) -> None:
    async with scripted(http_answer(200, "{}")) as server:
        graph = Graph(new_session(server.url, secret=SECRET), DIALECT)
        await graph.ask("me", dict[str, Any])
        await graph.ask("5/feed", dict[str, Any], token="page-token")
        bare = Graph(new_session(server.url, secret=Secret(access_token="token")), DIALECT)
        await bare.ask("me", dict[str, Any])
    own, page, unproved = server.seen
    expected = hmac.new(b"app-secret", b"page-token", hashlib.sha256).hexdigest()
    assert own.path == f"/{VERSION}/me?appsecret_proof={proof('token', 'app-secret')}"
    assert (page.path, page.headers["authorization"]) == (f"/{VERSION}/5/feed?appsecret_proof={expected}", "Bearer page-token")
    assert unproved.path == f"/{VERSION}/me"


async def test_a_pages_token_follows_no_redirect(new_session: SessionMaker) -> None:
    async with scripted(http_answer(302, Location="http://127.0.0.1:1/")) as server:
        graph = Graph(new_session(server.url, secret=SECRET), DIALECT)
        with pytest.raises(Malformed):
            await graph.ask("5/feed", dict[str, Any], token="page-token")
        with pytest.raises(Malformed):
            await graph.ask("5/feed", dict[str, Any], token="bad\r\ntoken")
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-05-04T12:00:00+0000", 0),
        ("2026-05-04T14:00:00+02:00", 0),
        (str(int(NOON.timestamp())), 0),
        (int(NOON.timestamp()), 0),
    ],
)
def test_times_are_read_as_the_graph_writes_them(text: str | int, seconds: int) -> None:
    assert instant(text) == NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-05-04T12:00:00", "9" * 400, 10**20, None])
def test_a_time_that_is_none_is_none(text: str | int | None) -> None:
    assert instant(text) is None


@pytest.mark.parametrize("text", ["a\x00b", "\x00\x00", "a\\u0000b", "a\\\x00b", "\\\\u0000", "\\" * 5 + "\x00", "plain", ""])
def test_only_the_character_that_no_database_takes_is_left_out(text: str) -> None:
    assert json.loads(storable(json.dumps([text]).encode())) == [text.replace("\x00", "")]


# --- being called ---------------------------------------------------------------------------------------------------------


def notice(*ids: str, kind: str = "page", time: float = NOON.timestamp()) -> bytes:
    entries = [{"id": each, "time": int(time), "messaging": [{"message": {"mid": "m", "text": "ä"}}]} for each in ids]
    return json.dumps({"object": kind, "entry": entries}).encode()


def call(body: bytes, signature: str | None = None) -> Call:
    return Call(
        query={}, headers={"x-hub-signature-256": sign("app-secret", body) if signature is None else signature}, body=body
    )


async def test_a_signed_call_names_whom_it_is_about(new_session: SessionMaker) -> None:
    operator = Operator(LINE, "page")
    assert await operator.answer(new_session("http://x.example"), call(notice("5", "6", "5"))) == frozenset({"5", "6"})
    milliseconds = call(notice("7", time=NOON.timestamp() * 1000))
    assert await operator.answer(new_session("http://x.example"), milliseconds) == frozenset({"7"})


@pytest.mark.parametrize(
    "signature", ["", "sha256=", "sha256=00", "sha1=" + "0" * 40, sign("other", notice("5")), sign("", notice("5")), "é"]
)
async def test_a_call_that_the_apps_secret_did_not_sign_is_forged(new_session: SessionMaker, signature: str) -> None:
    with pytest.raises(Forged):
        await Operator(LINE, "page").answer(new_session("http://x.example"), call(notice("5"), signature))


async def test_the_bytes_are_signed_not_what_they_say(new_session: SessionMaker) -> None:
    body = notice("5")
    with pytest.raises(Forged):
        await Operator(LINE, "page").answer(new_session("http://x.example"), call(body + b" ", sign("app-secret", body)))
    unsigned = Line(url=LINE.url, topic="1", secret="")
    with pytest.raises(Forged):
        await Operator(unsigned, "page").answer(new_session("http://x.example"), call(body, sign("", body)))


async def test_a_call_that_is_played_again_or_is_old_wakes_nobody(new_session: SessionMaker) -> None:
    operator, session = Operator(LINE, "page"), new_session("http://x.example")
    answers = [len(await operator.answer(session, call(notice("5")))) for _ in range(REPEATS + 2)]
    assert answers == [1] * REPEATS + [0, 0]
    assert await operator.answer(session, call(notice("5", time=NOON.timestamp() - 2 * 86_400))) == frozenset()
    assert await operator.answer(session, call(notice("5", time=NOON.timestamp() + 2 * 86_400))) == frozenset()


async def test_what_is_signed_and_is_no_notification_of_this_kind_is_refused(new_session: SessionMaker) -> None:
    for body in (b"", b"[]", b"{", b'{"object":"page","entry":7}', b"[" * 100_000, notice("5", kind="instagram"), b"\xff\xfe"):
        with pytest.raises(Malformed):
            await Operator(LINE, "page").answer(new_session("http://x.example"), call(body))


def test_whoever_knows_the_verify_token_gets_the_challenge_back() -> None:
    def asked(**more: str) -> Call:
        query = {"hub.mode": "subscribe", "hub.verify_token": "verify me", "hub.challenge": "1158201444"}
        return Call(query={**query, **{name.replace("_", ".", 1): value for name, value in more.items()}}, headers={}, body=b"")

    operator = Operator(LINE, "page")
    assert operator.challenge(asked()) == "1158201444"
    for wrong in ({"hub_verify_token": "guessed"}, {"hub_verify_token": ""}, {"hub_mode": "unsubscribe"}):
        with pytest.raises(Forged):
            operator.challenge(asked(**wrong))
    for challenge in ("", "<script>", "1" * 500):
        with pytest.raises(Malformed):
            operator.challenge(asked(hub_challenge=challenge))
