"""What a Session does for every adapter: credentials, budgets, retries, redirects, limits, and errors by five names."""

from __future__ import annotations

import asyncio
import base64
import gzip
import socket
import ssl
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from providers.addresses import Guard
from providers.breaker import Breakers
from providers.errors import ForbiddenAddress, Malformed, ProviderError, RateLimited, ReauthRequired, Refused, Unavailable
from providers.http import TokenBudget, Transport, links
from providers.quota import Quota
from providers.session import Secret
from tests.ports import free_port
from tests.providers.conftest import NOON, Calls, Exchange, HandClock, OpenCredentials, SessionMaker, http_answer, scripted

ADA = Secret(username="ada", password="pässword:1")
TOKEN = Secret(access_token="one")


# --- credentials ---------------------------------------------------------------------------------------------------------


async def test_a_password_is_sent_as_basic_in_utf8(new_session: SessionMaker) -> None:
    async with scripted(http_answer()) as server:
        await new_session(server.url, secret=ADA).request("GET", "/")
    assert base64.b64decode(server.seen[0].headers["authorization"].removeprefix("Basic ")).decode() == "ada:pässword:1"


async def test_a_token_is_sent_as_bearer_and_only_where_asked(new_session: SessionMaker) -> None:
    async with scripted(http_answer()) as server:
        session = new_session(server.url, secret=TOKEN)
        await session.request("GET", "/private")
        await session.request("GET", "/public", auth=False)
    assert [exchange.headers.get("authorization") for exchange in server.seen] == ["Bearer one", None]


async def test_an_expired_token_is_refreshed_once_and_the_call_repeated(new_session: SessionMaker) -> None:
    credentials = OpenCredentials(Secret(access_token="old", refresh_token="r"), Secret(access_token="new", refresh_token="r"))
    async with scripted(http_answer(401), http_answer(200, "ok")) as server:
        answer = await new_session(server.url, credentials=credentials).request("POST", "/", content=b"body")
    assert answer.content == b"ok"
    assert [(each.headers["authorization"], each.body) for each in server.seen] == [
        ("Bearer old", b"body"),
        ("Bearer new", b"body"),
    ]


async def test_a_token_refused_again_after_its_refreshes_asks_for_a_new_sign_in(new_session: SessionMaker) -> None:
    credentials = OpenCredentials(
        Secret(access_token="old", refresh_token="r"),
        *(Secret(access_token=word, refresh_token="r") for word in ("new", "newer")),
    )
    async with scripted(http_answer(401)) as server:
        with pytest.raises(ReauthRequired):
            await new_session(server.url, credentials=credentials).request("GET", "/")
    assert credentials.refreshes == 2
    assert len(server.seen) == 3


async def test_a_token_that_ends_between_its_renewal_elsewhere_and_its_use_is_renewed_once_more(
    new_session: SessionMaker,
) -> None:
    credentials = OpenCredentials(
        Secret(access_token="old", refresh_token="r"),
        *(Secret(access_token=word, refresh_token="r") for word in ("new", "newer")),
    )
    async with scripted(http_answer(401), http_answer(401), http_answer(200, "ok")) as server:
        answer = await new_session(server.url, credentials=credentials).request("GET", "/")
    assert answer.content == b"ok"


async def test_a_wrong_password_is_not_tried_twice(new_session: SessionMaker) -> None:
    async with scripted(http_answer(401)) as server:
        with pytest.raises(ReauthRequired):
            await new_session(server.url, secret=ADA).request("GET", "/")
    assert len(server.seen) == 1


async def test_credentials_do_not_follow_a_redirect_to_another_host(new_session: SessionMaker) -> None:
    async with scripted(http_answer(207, "ok")) as other:
        async with scripted(http_answer(302, Location=f"{other.url}/dav")) as server:
            answer = await new_session(server.url, secret=ADA).request("PROPFIND", "/", content=b"<x/>")
    assert answer.url == f"{other.url}/dav"
    assert (other.seen[0].method, other.seen[0].body) == ("PROPFIND", b"<x/>")
    assert "authorization" in server.seen[0].headers
    assert "authorization" not in other.seen[0].headers


async def test_credentials_are_not_sent_to_another_host_that_an_answer_named(new_session: SessionMaker) -> None:
    async with scripted(http_answer(401)) as other, scripted(http_answer()) as server:
        with pytest.raises(Refused, match="was not given to it") as refusal:
            await new_session(server.url, secret=ADA).request("GET", f"{other.url}/card.vcf")
    assert refusal.value.provider_code == "other-host"
    assert "authorization" not in other.seen[0].headers


@pytest.mark.parametrize(
    ("base", "target", "expected"),
    [
        ("https://example.org", "https://example.org/x", True),
        ("https://example.org", "https://dav.example.org/x", True),
        ("https://example.org", "http://example.org/x", False),
        ("http://example.org", "https://example.org/x", True),
        ("https://example.org", "https://badexample.org/x", False),
        ("https://example.org", "https://example.org.evil.test/x", False),
        ("https://dav.example.org", "https://example.org/x", False),
        ("http://127.0.0.1:8080", "http://127.0.0.1:9090/", False),
        ("http://example.org", "http://dav.example.org/", False),
        ("https://contacts.example.org", "https://p12-contacts.example.com/x", False),
        ("https://contacts.example.com", "https://p12-contacts.cloud.test/x", True),
    ],
)
def test_where_credentials_may_go(new_session: SessionMaker, base: str, target: str, expected: bool) -> None:
    session = new_session(base, secret=ADA)
    session.realm = ("cloud.test",)
    assert session.may_carry(session.absolute(target)) is expected


async def test_credentials_in_an_address_are_dropped(new_session: SessionMaker) -> None:
    async with scripted(http_answer()) as server:
        await new_session(server.url).request("GET", server.url.replace("http://", "http://eve:pw@") + "/x")
    assert "authorization" not in server.seen[0].headers


async def test_a_token_cannot_smuggle_a_header(new_session: SessionMaker) -> None:
    async with scripted(http_answer()) as server:
        with pytest.raises(ReauthRequired):
            await new_session(server.url, secret=Secret(access_token="one\r\nX-Evil: 1")).request("GET", "/")
    assert server.seen == []


# --- redirects -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirected_propfind_keeps_its_method_body_and_credentials_at_the_same_host(
    new_session: SessionMaker, status: int
) -> None:
    async with scripted(http_answer(status, Location="/dav/"), http_answer(207, "ok")) as server:
        await new_session(server.url, secret=ADA).request(
            "PROPFIND", "/.well-known/carddav", content=b"<q/>", headers={"Depth": "0"}
        )
    last = server.seen[-1]
    assert (last.method, last.path, last.body, last.headers["depth"]) == ("PROPFIND", "/dav/", b"<q/>", "0")
    assert last.headers["authorization"].startswith("Basic ")


async def test_a_redirect_after_posting_is_fetched(new_session: SessionMaker) -> None:
    async with scripted(http_answer(303, Location="/done"), http_answer(200, "ok")) as server:
        await new_session(server.url).request("POST", "/", content=b"secret")
    assert (server.seen[-1].method, server.seen[-1].body) == ("GET", b"")


async def test_what_was_posted_does_not_follow_to_another_host(new_session: SessionMaker) -> None:
    async with scripted(http_answer()) as other:
        async with scripted(http_answer(307, Location=other.url)) as server:
            with pytest.raises(Refused):
                await new_session(server.url).request("POST", "/", content=b"client_secret=1")
    assert other.seen == []


async def test_a_redirect_in_circles_ends(new_session: SessionMaker) -> None:
    async with scripted(http_answer(302, Location="/again")) as server:
        with pytest.raises(Malformed, match="circles"):
            await new_session(server.url).request("GET", "/")
    assert len(server.seen) <= 7


async def test_a_redirect_to_a_private_address_is_refused(new_session: SessionMaker) -> None:
    async with scripted(http_answer(302, Location="http://169.254.169.254/latest/meta-data/")) as server:
        with pytest.raises(ForbiddenAddress):
            await new_session(server.url).request("GET", "/")


@pytest.mark.parametrize("target", ["ftp://example.org/", "javascript:alert(1)", "http://", "file:///etc/passwd", "http://[::1"])
async def test_a_redirect_to_no_web_address_is_malformed(new_session: SessionMaker, target: str) -> None:
    async with scripted(http_answer(302, Location=target)) as server:
        with pytest.raises(Malformed):
            await new_session(server.url).request("GET", "/")


# --- errors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (400, Refused, "400"),
        (401, ReauthRequired, "401"),
        (403, Refused, "403"),
        (404, Refused, "not-found"),
        (410, Refused, "not-found"),
        (408, Unavailable, "408"),
        (422, Refused, "422"),
        (429, RateLimited, "429"),
        (500, Unavailable, "500"),
        (502, Unavailable, "502"),
        (503, Unavailable, "503"),
        (304, Malformed, "304"),
        (302, Malformed, "302"),
        (999, Malformed, "status"),
    ],
)
async def test_a_status_becomes_the_error_it_stands_for(
    new_session: SessionMaker, status: int, error: type[ProviderError], code: str
) -> None:
    async with scripted(http_answer(status)) as server:
        with pytest.raises(error) as refusal:
            await new_session(server.url, secret=ADA).request("GET", "/")
    assert refusal.value.provider_code == code
    assert "ada" not in refusal.value.message


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\ncut",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 50_000 + b"\r\n",
    ],
    ids=["silence", "ssh", "no status", "no length", "cut", "bad chunk", "long header", "many headers"],
)
async def test_what_is_no_http_is_unavailable_and_nothing_else_escapes(new_session: SessionMaker, raw: bytes) -> None:
    async def answer(_: Exchange) -> bytes | None:
        return raw or None

    async with scripted(lambda exchange: (raw + b"\r\nConnection: close") if raw.startswith(b"SSH") else (raw or None)) as server:
        server.answers = [answer] if not raw.startswith(b"SSH") else server.answers
        with pytest.raises((Unavailable, Malformed)):
            await new_session(server.url, interactive=True, deadline=(NOON + timedelta(seconds=2)).timestamp()).request(
                "GET", "/"
            )


async def test_a_server_that_hangs_is_unavailable_by_the_deadline(new_session: SessionMaker) -> None:
    async def hang(_: Exchange) -> bytes | None:
        await asyncio.sleep(30)
        return None

    async with scripted(hang) as server:
        session = new_session(server.url, interactive=True, deadline=(NOON + timedelta(seconds=0.2)).timestamp())
        with pytest.raises(Unavailable, match="in time"):
            await session.request("GET", "/")


async def test_no_call_starts_after_the_deadline(new_session: SessionMaker) -> None:
    async with scripted(http_answer()) as server:
        with pytest.raises(Unavailable):
            await new_session(server.url, interactive=True, deadline=NOON.timestamp() - 1).request("GET", "/")
    assert server.seen == []


async def test_a_host_without_anybody_is_unavailable(new_session: SessionMaker) -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        await new_session(f"http://127.0.0.1:{free_port()}").request("GET", "/")


async def test_an_unknown_host_is_unavailable(new_session: SessionMaker) -> None:
    async def lookup(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    transport = Transport(Guard(lookup=lookup))
    with pytest.raises(Unavailable) as refusal:
        await new_session("https://nowhere.example.org", transport=transport).request("GET", "/")
    assert refusal.value.provider_code == "dns"
    await transport.aclose()


async def test_a_host_whose_certificate_nobody_vouches_for_is_unavailable_and_says_so(
    new_session: SessionMaker, tmp_path: Path
) -> None:
    async with scripted(http_answer(), tls=self_signed(tmp_path)) as server:
        with pytest.raises(Unavailable, match="certificate") as refusal:
            await new_session(server.url, interactive=True, secret=ADA).request("GET", "/")
    assert refusal.value.provider_code == "certificate"
    assert server.seen == []


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's TLS context with a certificate that it made itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


@pytest.mark.parametrize(
    "url", ["ftp://example.org/", "http://", "gopher:x", "http://[::1", "http://exa mple.org/", "http://a:99999/"]
)
async def test_what_is_no_web_address_is_malformed(new_session: SessionMaker, url: str) -> None:
    with pytest.raises((Malformed, Refused, Unavailable)):
        await new_session("https://example.org").request("GET", url)


@pytest.mark.parametrize("body", ["<!DOCTYPE html><p>Sign in", "  <html>", "{", "", "[" * 100_000])
async def test_a_web_page_or_rubbish_where_json_was_expected_is_malformed(new_session: SessionMaker, body: str) -> None:
    async with scripted(http_answer(200, body, Content_Type="text/html" if "<" in body else "application/json")) as server:
        answer = await new_session(server.url).request("GET", "/")
    with pytest.raises(Malformed, match="web page" if "<" in body else "JSON"):
        answer.json()


# --- size ----------------------------------------------------------------------------------------------------------------


async def test_an_answer_that_says_it_is_too_large_is_not_read(new_session: SessionMaker) -> None:
    async with scripted(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n") as server:
        with pytest.raises((Malformed, Unavailable)):
            await new_session(server.url).request("GET", "/", max_bytes=1000)


async def test_an_answer_without_a_length_is_cut_at_the_limit(new_session: SessionMaker) -> None:
    async with scripted(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"a" * 300_000) as server:
        with pytest.raises(Malformed) as refusal:
            await new_session(server.url).request("GET", "/", max_bytes=100_000)
    assert refusal.value.provider_code == "too-large"


def bombs() -> list[tuple[str, bytes]]:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    raw = deflater.compress(bytes(64_000_000)) + deflater.flush()
    return [
        ("gzip", gzip.compress(bytes(64_000_000))),
        ("deflate", zlib.compress(bytes(64_000_000))),
        ("deflate", raw),
    ]


@pytest.mark.parametrize(("encoding", "bomb"), bombs(), ids=["gzip", "zlib", "raw deflate"])
async def test_a_decompression_bomb_stops_at_the_limit(new_session: SessionMaker, encoding: str, bomb: bytes) -> None:
    async with scripted(http_answer(200, bomb, Content_Encoding=encoding)) as server:
        with pytest.raises(Malformed) as refusal:
            await new_session(server.url).request("GET", "/", max_bytes=1_000_000)
    assert refusal.value.provider_code == "too-large"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity"])
async def test_a_compressed_answer_is_read(new_session: SessionMaker, encoding: str) -> None:
    text = "ΑΒΓ".encode() * 400_000
    body = {"gzip": gzip.compress(text), "deflate": zlib.compress(text), "identity": text}[encoding]
    async with scripted(http_answer(200, body, Content_Encoding=encoding)) as server:
        answer = await new_session(server.url).request("GET", "/")
    assert answer.content == text


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", b"rubbish"), ("gzip", gzip.compress(b"a" * 9, mtime=0)[:-9]), ("br", b"x"), ("gzip, gzip", b"")],
)
async def test_a_broken_or_unasked_encoding_is_malformed(new_session: SessionMaker, encoding: str, body: bytes) -> None:
    async with scripted(http_answer(200, body, Content_Encoding=encoding)) as server:
        with pytest.raises(Malformed):
            await new_session(server.url).request("GET", "/")


# --- retries -------------------------------------------------------------------------------------------------------------


async def test_background_work_tries_an_idempotent_call_three_times(new_session: SessionMaker, clock: HandClock) -> None:
    async with scripted(http_answer(502), http_answer(500), http_answer(200, "ok")) as server:
        answer = await new_session(server.url, jitter=lambda: 1.0).request("PROPFIND", "/", content=b"<q/>")
    assert answer.content == b"ok"
    assert clock.slept == [0.5, 1.0]


async def test_background_work_gives_up_after_three_times(new_session: SessionMaker) -> None:
    async with scripted(http_answer(502)) as server:
        with pytest.raises(Unavailable):
            await new_session(server.url).request("GET", "/")
    assert len(server.seen) == 3


async def test_somebody_who_waits_gets_the_first_failure(new_session: SessionMaker) -> None:
    async with scripted(http_answer(502)) as server:
        with pytest.raises(Unavailable):
            await new_session(server.url, interactive=True).request("GET", "/")
    assert len(server.seen) == 1


@pytest.mark.parametrize("answer", [http_answer(502), lambda exchange: None], ids=["502", "cut"])
async def test_what_is_not_idempotent_is_sent_once(new_session: SessionMaker, answer: bytes) -> None:
    async with scripted(answer) as server:
        with pytest.raises(Unavailable):
            await new_session(server.url).request("POST", "/", content=b"toot")
    assert len(server.seen) == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_short_retry_after_is_waited_for(new_session: SessionMaker, clock: HandClock, form: str) -> None:
    value = "7" if form == "seconds" else format_datetime(NOON + timedelta(seconds=7), usegmt=True)
    async with scripted(http_answer(503, Retry_After=value), http_answer(200, "ok")) as server:
        await new_session(server.url).request("GET", "/")
    assert clock.slept == [7.0]


async def test_a_long_retry_after_is_handed_on(new_session: SessionMaker, clock: HandClock) -> None:
    async with scripted(http_answer(503, Retry_After="600")) as server:
        with pytest.raises(Unavailable) as refusal:
            await new_session(server.url).request("GET", "/")
    assert refusal.value.retry_at == NOON + timedelta(minutes=10)
    assert clock.slept == []


# --- rate limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "90"}, 90),
        ({"Retry_After": format_datetime(NOON + timedelta(seconds=90), usegmt=True)}, 90),
        ({"X_RateLimit_Reset": "2026-05-04T12:01:30.000000Z"}, 90),
        ({"X_RateLimit_Reset": str(int(NOON.timestamp()) + 90)}, 90),
        ({"X_RateLimit_Reset": str(int(NOON.timestamp() + 90) * 1000)}, 90),
        ({"X_RateLimit_Reset": "90"}, 90),
        ({}, 60),
        ({"Retry_After": "soon"}, 60),
        ({"Retry_After": "-5"}, 60),
        ({"Retry_After": "9" * 300}, 86400),
        ({"X_RateLimit_Reset": "9999-12-31T23:59:59Z"}, 86400),
        ({"X_RateLimit_Reset": "1e300"}, 86400),
        ({"X_RateLimit_Reset": "nan"}, 60),
        ({"X_RateLimit_Reset": "1999-12-31T23:59:59Z"}, 0),
    ],
)
async def test_a_rate_limit_says_when_to_come_back(new_session: SessionMaker, headers: dict[str, str], seconds: int) -> None:
    async with scripted(http_answer(429, **headers)) as server:
        with pytest.raises(RateLimited) as refusal:
            await new_session(server.url).request("GET", "/")
    assert refusal.value.retry_at == NOON + timedelta(seconds=seconds)
    assert len(server.seen) == 1


@pytest.mark.parametrize("reset", ["2026-05-04T12:05:00Z", str(int(NOON.timestamp()) + 300)], ids=["ISO", "epoch"])
async def test_a_network_that_says_nothing_is_left_is_not_called_before_it_says(
    new_session: SessionMaker, clock: HandClock, reset: str
) -> None:
    quota = Quota(calls=100, seconds=100.0, sentence="It allows 300 calls in five minutes.")
    async with scripted(http_answer(200, X_RateLimit_Limit="300", X_RateLimit_Remaining="0", X_RateLimit_Reset=reset)) as server:
        session = new_session(server.url, quota=quota)
        await session.request("GET", "/")
        with pytest.raises(RateLimited, match="300 calls") as refusal:
            await session.request("GET", "/")
        assert refusal.value.retry_at == NOON + timedelta(minutes=5)
        assert len(server.seen) == 1
        clock.time += timedelta(minutes=6)
        await session.request("GET", "/")


async def test_background_work_waits_for_its_share_and_leaves_the_reserve(clock: HandClock) -> None:
    budget = TokenBudget(Quota(calls=10, seconds=10.0, interactive_reserve=0.2), clock)
    for _ in range(8):
        await budget.acquire()
        budget.release()
    assert clock.slept == []
    for _ in range(2):
        await budget.interactive.acquire()
        budget.interactive.release()
    with pytest.raises(RateLimited) as refusal:
        await budget.interactive.acquire()
    assert refusal.value.retry_at == NOON + timedelta(seconds=1)
    await budget.acquire()
    assert sum(clock.slept) == pytest.approx(3.0)


async def test_a_source_is_called_by_no_more_than_its_concurrency_at_once(new_session: SessionMaker) -> None:
    running, most, together = 0, 0, asyncio.Event()

    async def slowly(_: Exchange) -> bytes:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if running == 2:
            together.set()
        await together.wait()
        await asyncio.sleep(0.01)
        running -= 1
        return http_answer()

    async with scripted(slowly) as server:
        session = new_session(server.url, quota=Quota(calls=1000, seconds=1.0, concurrency=3))
        await asyncio.gather(*(session.request("GET", "/") for _ in range(12)))
    assert most == 2  # one of the three is kept for somebody who waits


async def test_who_waits_for_a_slot_has_it_before_who_comes_later(clock: HandClock) -> None:
    budget = TokenBudget(Quota(calls=100, seconds=1.0, concurrency=1, interactive_reserve=0.0), clock).interactive
    order: list[int] = []

    async def call(number: int) -> None:
        await budget.acquire()
        order.append(number)

    assert budget.take(1, clock.now())
    waiting = [asyncio.create_task(call(number)) for number in range(3)]
    await asyncio.sleep(0)
    budget.release()
    assert not budget.take(1, clock.now())  # it is the first one's, who has not gone on yet
    waiting[0].cancel()  # and is gone: the next one has it
    await asyncio.wait(waiting[:2])
    assert order == [1]
    budget.release()
    await waiting[2]
    assert order == [1, 2]
    budget.release()
    assert budget.take(1, clock.now())


async def test_background_work_takes_nothing_where_it_would_have_to_wait(clock: HandClock) -> None:
    budget = TokenBudget(Quota(calls=4, seconds=4.0, concurrency=3, interactive_reserve=0.5), clock)
    assert budget.take(1, clock.now())
    assert budget.take(1, clock.now())
    assert not budget.take(1, clock.now())  # what is left is for somebody who waits
    assert budget.interactive.take(1, clock.now())
    assert not budget.interactive.take(1, clock.now())  # all three slots are taken
    budget.interactive.release()
    assert budget.interactive.take(1, clock.now())
    with pytest.raises(RateLimited):
        await budget.interactive.acquire()


@pytest.mark.parametrize("method", ["", "GET /secret HTTP/1.1\r\nX:", "G\u00cbT"])
async def test_what_is_no_method_is_not_sent(new_session: SessionMaker, method: str) -> None:
    async with scripted(http_answer()) as server:
        with pytest.raises(Malformed):
            await new_session(server.url).request(method, "/")
    assert server.seen == []


async def test_a_cancelled_call_gives_its_slot_back(new_session: SessionMaker, clock: HandClock) -> None:
    asked = asyncio.Event()

    async def hang(_: Exchange) -> bytes | None:
        asked.set()
        await asyncio.sleep(30)
        return None

    budget = TokenBudget(Quota(calls=100, seconds=1.0, concurrency=1), clock)
    async with scripted(hang) as server:
        for _ in range(3):
            asked.clear()
            task = asyncio.create_task(new_session(server.url, budget=budget).request("GET", "/"))
            await asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        server.answers = [http_answer(200, "ok")]
        assert (await new_session(server.url, budget=budget).request("GET", "/")).content == b"ok"


# --- circuit breaker -----------------------------------------------------------------------------------------------------


async def test_a_host_that_failed_five_times_is_left_alone_then_tried_once(new_session: SessionMaker, clock: HandClock) -> None:
    breakers = Breakers(clock)
    async with scripted(http_answer(500)) as server:
        session = new_session(server.url, interactive=True, breakers=breakers)
        for _ in range(5):
            with pytest.raises(Unavailable):
                await session.request("GET", "/")
        for _ in range(3):
            with pytest.raises(Unavailable, match="left alone"):
                await session.request("GET", "/")
        assert len(server.seen) == 5
        clock.time += timedelta(seconds=31)
        with pytest.raises(Unavailable, match="trouble"):
            await session.request("GET", "/")
        with pytest.raises(Unavailable, match="left alone"):
            await session.request("GET", "/")
        clock.time += timedelta(seconds=31)
        server.answers = [http_answer()]
        await session.request("GET", "/")
        await session.request("GET", "/")
    assert len(server.seen) == 8


async def test_a_probe_that_was_cancelled_lets_another_one_try(new_session: SessionMaker, clock: HandClock) -> None:
    asked = asyncio.Event()

    async def hang(_: Exchange) -> bytes | None:
        asked.set()
        await asyncio.sleep(30)
        return None

    breakers = Breakers(clock)
    async with scripted(http_answer(500)) as server:
        session = new_session(server.url, interactive=True, breakers=breakers)
        for _ in range(5):
            with pytest.raises(Unavailable):
                await session.request("GET", "/")
        clock.time += timedelta(seconds=31)
        server.answers = [hang]
        probe = asyncio.create_task(session.request("GET", "/"))
        await asked.wait()
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        server.answers = [http_answer(200, "ok")]
        assert (await session.request("GET", "/")).content == b"ok"


async def test_one_host_in_trouble_does_not_stop_another(new_session: SessionMaker, clock: HandClock) -> None:
    breakers = Breakers(clock)
    async with scripted(http_answer(500)) as broken, scripted(http_answer()) as sound:
        for _ in range(6):
            with pytest.raises(Unavailable):
                await new_session(broken.url, interactive=True, breakers=breakers).request("GET", "/")
        await new_session(sound.url, interactive=True, breakers=breakers).request("GET", "/")


@pytest.mark.parametrize("status", [401, 403, 404, 429])
async def test_a_refusal_is_no_failure_of_the_host(new_session: SessionMaker, clock: HandClock, status: int) -> None:
    breakers = Breakers(clock)
    async with scripted(http_answer(status)) as server:
        for _ in range(8):
            with pytest.raises(ProviderError):
                await new_session(server.url, interactive=True, breakers=breakers).request("GET", "/")
    assert len(server.seen) == 8


# --- the rest ------------------------------------------------------------------------------------------------------------


async def test_connections_are_kept_and_cookies_are_not(new_session: SessionMaker) -> None:
    async with scripted(http_answer(200, "ok", Set_Cookie="id=1")) as server:
        session = new_session(server.url)
        for _ in range(5):
            await session.request("GET", "/")
    assert server.connections == 1
    assert not any("cookie" in exchange.headers for exchange in server.seen)


async def test_every_call_is_observed_with_its_outcome(new_session: SessionMaker) -> None:
    calls = Calls()

    def cut(_: Exchange) -> None:  # the first one aiohttp takes for a kept connection that had ended, and asks again
        return None

    async with scripted(http_answer(503), cut, cut, http_answer(200)) as server:
        await new_session(server.url, observer=calls).request("GET", "/")
    assert calls.outcomes == ["503", "Unavailable", "200"]


async def test_the_servers_spelling_of_a_path_is_kept(new_session: SessionMaker) -> None:
    async with scripted(http_answer()) as server:
        session = new_session(server.url)
        await session.request("GET", "/ada/a%40b%2Fc%20d.vcf")
        await session.request("GET", "/ada/%c3%a9.vcf")
    assert [exchange.path for exchange in server.seen] == ["/ada/a%40b%2Fc%20d.vcf", "/ada/%c3%a9.vcf"]


async def test_parameters_are_added_to_those_of_the_address(new_session: SessionMaker) -> None:
    async with scripted(http_answer()) as server:
        await new_session(server.url).request("GET", "/x?a=1", params=[("id[]", "2"), ("id[]", "3 é")])
    assert server.seen[0].path == "/x?a=1&id%5B%5D=2&id%5B%5D=3+%C3%A9"


def test_a_link_header_is_read() -> None:
    header = '<https://m.example.org/a?max_id=7,8>; rel="next", </b>; title="x; y"; rel=prev, <c>; rel="me x"'
    assert links(header, "https://m.example.org/api/") == {
        "next": "https://m.example.org/a?max_id=7,8",
        "prev": "https://m.example.org/b",
        "me": "https://m.example.org/api/c",
        "x": "https://m.example.org/api/c",
    }


@pytest.mark.parametrize(
    "header", ["", "<", "<>", "<<<<>>>>", "<a>;rel", "<http://[>; rel=next", ";;;,,,", "<" * 5000 + ">" * 5000]
)
def test_a_broken_link_header_is_no_error(header: str) -> None:
    assert isinstance(links(header, "https://m.example.org/"), dict)


def test_the_clock_of_these_tests_is_utc(clock: HandClock) -> None:
    assert clock.now() == datetime(2026, 5, 4, 12, tzinfo=UTC)


async def test_a_call_costs_what_the_network_charges_for_it(new_session: SessionMaker, clock: HandClock) -> None:
    budget = TokenBudget(Quota(calls=100, seconds=100.0, interactive_reserve=0.0), clock)
    async with scripted(http_answer()) as server:
        session = new_session(server.url, budget=budget)
        await session.request("GET", "/", calls=60)
        await session.request("GET", "/", calls=50)
    assert sum(clock.slept) == pytest.approx(10.0)


async def test_a_post_that_only_reads_is_repeated_and_another_is_not(new_session: SessionMaker) -> None:
    async with scripted(http_answer(503), http_answer(200, "ok")) as server:
        assert (await new_session(server.url).request("POST", "/", content=b"what?", reads=True)).content == b"ok"
    async with scripted(http_answer(503), http_answer(200, "ok")) as server:
        with pytest.raises(Unavailable):
            await new_session(server.url).request("POST", "/", content=b"do!")
    assert len(server.seen) == 1
