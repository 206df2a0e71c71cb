"""What the guard lets through: the public internet, what the operator allowed, and never our own database."""

from __future__ import annotations

import ast
import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aiohttp
import pytest

import providers
from providers.addresses import Guard, Lookup, Pinned
from providers.connector import connector
from providers.errors import ForbiddenAddress, Unavailable
from tests.ports import free_port

PRIVATE = [
    ("loopback", "127.0.0.1"),
    ("any loopback", "127.255.0.7"),
    ("unspecified", "0.0.0.0"),
    ("this network", "0.1.2.3"),
    ("private 10", "10.1.2.3"),
    ("private 172", "172.16.0.1"),
    ("private 172, last", "172.31.255.255"),
    ("private 192", "192.168.1.1"),
    ("carrier-grade NAT", "100.64.0.1"),
    ("link-local", "169.254.0.1"),
    ("cloud metadata", "169.254.169.254"),
    ("protocol assignments", "192.0.0.8"),
    ("documentation", "192.0.2.1"),
    ("6to4 relay", "192.88.99.1"),
    ("benchmarking", "198.18.0.1"),
    ("documentation 2", "198.51.100.1"),
    ("documentation 3", "203.0.113.1"),
    ("multicast", "224.0.0.1"),
    ("reserved", "240.0.0.1"),
    ("broadcast", "255.255.255.255"),
    ("loopback IPv6", "::1"),
    ("unspecified IPv6", "::"),
    ("IPv4-mapped loopback", "::ffff:127.0.0.1"),
    ("IPv4-mapped public", "::ffff:8.8.8.8"),
    ("IPv4-mapped in hex", "::ffff:7f00:1"),
    ("IPv4-compatible", "::127.0.0.1"),
    ("IPv4-translated", "::ffff:0:127.0.0.1"),
    ("NAT64", "64:ff9b::7f00:1"),
    ("local NAT64", "64:ff9b:1::7f00:1"),
    ("6to4 of loopback", "2002:7f00:1::"),
    ("Teredo", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
    ("discard", "100::1"),
    ("documentation IPv6", "2001:db8::1"),
    ("documentation IPv6, new", "3fff::1"),
    ("unique local", "fd00::1"),
    ("link-local IPv6", "fe80::1"),
    ("site-local", "fec0::1"),
    ("multicast IPv6", "ff02::1"),
    ("EC2 metadata IPv6", "fd00:ec2::254"),
]
DISGUISED = [
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "127.1",
    "127.0.1",
    "0",
    "127.0.0.1.",
    "127.000.000.001",
    "[::1]",
    "fe80::1%1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "app.localhost",
    "localhost.localdomain",
    "ip6-localhost",
]


def names(**table: Sequence[str]) -> Lookup:
    """A DNS of invented names (underscores stand for dots)."""

    async def lookup(host: str, port: int) -> Sequence[str]:
        return table[host.replace(".", "_")]

    return lookup


@pytest.fixture
async def echo() -> AsyncIterator[tuple[str, int]]:
    """A loopback server that answers one HTTP request a connection."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", free_port())
    yield server.sockets[0].getsockname()[:2]
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("ip", [ip for _, ip in PRIVATE], ids=[why for why, _ in PRIVATE])
async def test_an_address_off_the_public_internet_is_refused(ip: str) -> None:
    with pytest.raises(ForbiddenAddress):
        await Guard().resolve(ip, 443)


@pytest.mark.parametrize("ip", [ip for _, ip in PRIVATE], ids=[why for why, _ in PRIVATE])
async def test_a_name_that_resolves_off_the_public_internet_is_refused(ip: str) -> None:
    with pytest.raises(ForbiddenAddress):
        await Guard(lookup=names(dav_example_org=[ip])).resolve("dav.example.org", 443)


@pytest.mark.parametrize("host", DISGUISED)
async def test_a_disguised_loopback_address_is_refused_without_asking_dns(host: str) -> None:
    with pytest.raises(ForbiddenAddress):
        await Guard(lookup=names()).resolve(host, 443)


@pytest.mark.parametrize("host", ["①②⑦.⓪.⓪.①", "127。0。0。1"])
async def test_an_address_in_other_digits_reaches_nothing(host: str) -> None:
    with pytest.raises((ForbiddenAddress, Unavailable)):
        await Guard().resolve(host, 443)


@pytest.mark.parametrize("ip", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "2a00:1450::1"])
async def test_a_public_address_is_pinned(ip: str) -> None:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    assert await Guard(lookup=names(mail_example_org=[ip])).resolve("Mail.Example.ORG.", 443) == [Pinned(family, ip)]


async def test_of_a_name_with_public_and_private_addresses_only_the_public_ones_are_used() -> None:
    guard = Guard(lookup=names(mixed_example_org=["10.0.0.1", "8.8.8.8", "::1"]))
    assert [pinned.ip for pinned in await guard.resolve("mixed.example.org", 443)] == ["8.8.8.8"]


async def test_the_operator_can_allow_a_private_place_at_one_port() -> None:
    guard = Guard(["10.0.0.0/8:8443", "[fd00::/8]:443"])
    assert (await guard.resolve("10.9.8.7", 8443))[0].ip == "10.9.8.7"
    assert (await guard.resolve("fd00::1", 443))[0].ip == "fd00::1"
    with pytest.raises(ForbiddenAddress):
        await guard.resolve("10.9.8.7", 443)
    with pytest.raises(ForbiddenAddress):
        await guard.resolve("192.168.0.1", 8443)


async def test_an_allowed_range_does_not_open_its_addresses_in_disguise() -> None:
    guard = Guard(["127.0.0.0/8:*"])
    assert (await guard.resolve("localhost", 80))[0].ip == "127.0.0.1"
    for host in ("::ffff:127.0.0.1", "2130706433", "127.1", "64:ff9b::7f00:1", "2002:7f00:1::"):
        with pytest.raises(ForbiddenAddress):
            await guard.resolve(host, 80)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.9", "10.0.0.5", "db.example.org"])
async def test_our_own_database_is_never_reached_even_where_everything_is_allowed(host: str) -> None:
    guard = Guard(
        ["0.0.0.0/0:*", "[::/0]:*"],
        {("localhost", 5432), ("redis.example.org", 6379)},
        lookup=names(db_example_org=["127.0.0.1"], redis_example_org=["8.8.4.4"]),
    )
    with pytest.raises(ForbiddenAddress):
        await guard.resolve(host, 5432)
    with pytest.raises(ForbiddenAddress):
        await guard.resolve("8.8.4.4", 6379)
    assert await guard.resolve("8.8.8.8", 6379)


@pytest.mark.parametrize(
    "text", ["10.0.0.0/8", "10.0.0.0/8:", "10.0.0.0/8:http", "example.org:443", "10.0.0.1/8:443", ":443", "1.2.3.4:0"]
)
def test_a_wrong_allowance_is_refused_with_a_sentence_for_the_operator(text: str) -> None:
    with pytest.raises(ValueError, match="write it like"):
        Guard([text])


async def test_an_unknown_name_is_unavailable_and_not_a_traceback() -> None:
    async def lookup(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(Unavailable, match="cannot be found"):
        await Guard(lookup=lookup).resolve("nowhere.example.org", 443)
    with pytest.raises((Unavailable, ForbiddenAddress)):
        await Guard().resolve("a" * 300 + ".example.org", 443)


@pytest.mark.parametrize("port", [0, -1, 65536])
async def test_a_port_that_does_not_exist_is_refused(port: int) -> None:
    with pytest.raises(ForbiddenAddress):
        await Guard().resolve("8.8.8.8", port)


async def test_a_raw_connection_goes_to_the_address_that_was_judged(echo: tuple[str, int]) -> None:
    """DNS answers differently the second time (rebinding): it is not asked a second time."""
    host, port = echo
    asked = []

    async def lookup(name: str, _: int) -> Sequence[str]:
        asked.append(name)
        return [host] if len(asked) == 1 else ["10.0.0.1"]

    reader, writer = await Guard([f"{host}/32:{port}"], lookup=lookup).connect("dav.example.org", port, tls=False)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert (await reader.read()).endswith(b"hi")
    writer.close()
    assert asked == ["dav.example.org"]


async def test_an_http_connection_goes_to_the_address_that_was_judged(echo: tuple[str, int]) -> None:
    host, port = echo
    asked = []

    async def lookup(name: str, _: int) -> Sequence[str]:
        asked.append(name)
        return [host] if len(asked) == 1 else ["10.0.0.1"]

    guard = Guard([f"{host}/32:{port}"], lookup=lookup)
    async with aiohttp.ClientSession(connector=connector(guard)) as client:
        async with client.get(f"http://dav.example.org:{port}/") as response:
            assert await response.text() == "hi"
    assert asked == ["dav.example.org"]


async def test_the_connector_refuses_a_literal_address_too(echo: tuple[str, int]) -> None:
    host, port = echo
    async with aiohttp.ClientSession(connector=connector(Guard())) as client:
        with pytest.raises(aiohttp.ClientConnectorError):
            await client.get(f"http://{host}:{port}/")


async def test_a_port_where_nobody_listens_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        await Guard(["127.0.0.0/8:*"]).connect("127.0.0.1", free_port(), tls=False)


async def test_a_server_without_tls_is_unavailable_where_tls_was_asked(echo: tuple[str, int]) -> None:
    host, port = echo
    with pytest.raises(Unavailable, match=r"TLS|in time|no connection"):
        await Guard([f"{host}/32:{port}"]).connect(host, port, tls=True, seconds=3)


#: What opens connections, and who may name it: `addresses` connects, `connector` is aiohttp's view of it, `sockets` builds aiohttp's
#: client on that, for `transport`, and `web_socket` speaks over what that one has opened.
CONNECTS = {
    "socket": {"addresses", "connector"},
    "aiohappyeyeballs": {"addresses"},
    "aiohttp": {"connector", "sockets", "transport", "web_socket"},
    "urllib.request": set(),
    "http.client": set(),
    "imaplib": set(),
    "poplib": set(),
    "smtplib": set(),
    "requests": set(),
    "httpx": set(),
    "websockets": set(),
}
CALLS = {
    "open_connection",
    "create_connection",
    "create_datagram_endpoint",
    "sock_connect",
    "AsyncHTTPTransport",
    "HTTPTransport",
}


#: Above, sockets are for being connected to: the listener, the name of this machine, the network of the demo.
LISTENS = {"socket": {"holders", "lasting", "listener", "serving", "serve", "network"}}


@pytest.mark.parametrize("floor", ["providers", "store", "resolvers", "schema", "gateway"])
def test_no_module_but_the_guard_knows_how_to_connect(floor: str) -> None:
    modules = sorted((Path(providers.__file__).parents[1] / floor).rglob("*.py"))
    assert len(modules) > 20
    known = CONNECTS if floor == "providers" else {**{name: set[str]() for name in CONNECTS}, **LISTENS}
    for path in modules:
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            for name in names:
                allowed = known.get(name, known.get(name.partition(".")[0], {path.stem}))
                assert path.stem in allowed, f"{path.name} imports {name}: connections are made by addresses.py"
            if isinstance(node, ast.Attribute) and node.attr in CALLS:
                assert path.stem == "addresses", f"{path.name} calls {node.attr}: connections are made by addresses.py"
