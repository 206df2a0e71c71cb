"""The one place that connects: names become addresses here, are judged here, and only judged addresses get a socket.

A user of Kith types server names, and servers answer with further ones; this process stands inside somebody's network.
So every outgoing connection goes through a `Guard`, which resolves once, refuses what is not on the public internet
(RFC 6890 and the IANA special-purpose registries) and connects to the very address it has judged, which leaves nothing
for DNS rebinding. The operator may allow private places as `CIDR:port`; our own database and Redis are never reachable.
Knows nothing of HTTP, accounts or settings.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Any, TypeVar

import aiohappyeyeballs
import msgspec

from providers.errors import ForbiddenAddress, Unavailable
from providers.names import Names

IPv4 = ipaddress.IPv4Address
IPv6 = ipaddress.IPv6Address
Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
Services = Callable[[str], Awaitable[Sequence[tuple[str, int]]]]
Exchanges = Callable[[str], Awaitable[Sequence[str]]]
Texts = Callable[[str], Awaitable[Sequence[str]]]

#: IANA IPv4 special-purpose registry (RFC 6890), multicast (RFC 5771) and class E (RFC 1112 §4).
CLOSED_IPV4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network, unspecified
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # carrier-grade NAT (RFC 6598)
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, where clouds keep their metadata services
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments, DS-Lite
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
#: RFC 4291 §2.4: only 2000::/3 is global unicast. Everything else (loopback, mapped, compatible, NAT64, unique local,
#: link-local, multicast) is closed without being listed.
OPEN_IPV6 = ipaddress.IPv6Network("2000::/3")
CLOSED_IPV6 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarking
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which carries any IPv4 address inside
        "3fff::/20",  # documentation (RFC 9637)
    )
)
#: RFC 6761 §6.3, and the names that distributions put into their hosts files.
LOOPBACK_NAMES = frozenset({"localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback"})
LOOKUP_SECONDS = 10.0
CONNECT_SECONDS = 10.0
EYEBALLS_SECONDS = 0.25
SERVICE_SECONDS = 3.0
P = TypeVar("P", bound=asyncio.BaseProtocol)


class Pinned(msgspec.Struct, frozen=True):
    """An address that was judged and may be connected to: `family` as in `socket`, `ip` in its canonical spelling."""

    family: int
    ip: str


class Allowance(msgspec.Struct, frozen=True):
    """A private place that the operator opened; `port` None stands for every port."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network
    port: int | None

    @classmethod
    def read(cls, text: str) -> Allowance:
        """`10.0.0.0/8:443`, `[fd00::/8]:443`, `127.0.0.1:*`. Raises ValueError with a sentence for the operator."""
        cidr, colon, port = text.strip().rpartition(":")
        cidr = cidr.strip()
        if cidr.startswith("["):
            cidr = cidr.replace("[", "").replace("]", "")
        try:
            if not colon or not (port == "*" or (port.isascii() and port.isdigit() and 0 < int(port) < 65536)):
                raise ValueError(port)
            return cls(ipaddress.ip_network(cidr), None if port == "*" else int(port))
        except ValueError:
            raise ValueError(
                f"{text!r} is not an address range with a port: write it like 10.0.0.0/8:443, [fd00::/8]:443 or 127.0.0.1/32:*"
            ) from None

    def covers(self, address: IPv4 | IPv6, port: int) -> bool:
        return self.port in (None, port) and address.version == self.network.version and address in self.network


def is_public(address: IPv4 | IPv6) -> bool:
    """Whether an address is on the public internet, and is not another address in disguise."""
    if isinstance(address, IPv4):
        return not any(address in network for network in CLOSED_IPV4)
    return address in OPEN_IPV6 and not any(address in network for network in CLOSED_IPV6)


def system_addresses(host: str, port: int) -> Sequence[str]:
    """What the system says of a name: addresses in the order in which to try them (RFC 6724). Blocks. Raises OSError or UnicodeError."""
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


async def system_services(name: str) -> Sequence[tuple[str, int]]:
    """What DNS says of a service: (host, port) by priority and weight (RFC 2782); nothing when it says nothing in time."""
    found = await _records(name, "SRV")
    entries = sorted((entry.priority, -entry.weight, str(entry.target), entry.port) for entry in found)
    return [(host.rstrip("."), port) for _, _, host, port in entries if host != "."]


async def system_texts(name: str) -> Sequence[str]:
    """The TXT records of a name, each joined (RFC 1035 §3.3.14); nothing when DNS says nothing in time."""
    found = await _records(name, "TXT")
    return [b"".join(entry.strings).decode("utf-8", "replace") for entry in found]


async def system_exchanges(domain: str) -> Sequence[str]:
    """The hosts that take a domain's mail, by preference (RFC 5321 §5.1); nothing when DNS says nothing in time."""
    found = await _records(domain, "MX")
    entries = sorted((entry.preference, str(entry.exchange)) for entry in found)
    return [host.rstrip(".").lower() for _, host in entries if host != "."]


async def _records(name: str, kind: str) -> Sequence[Any]:
    # loaded with the first question: dnspython is two megabytes, and names of web servers are looked up by the system
    import dns.asyncresolver
    import dns.exception

    try:
        return list(await dns.asyncresolver.resolve(name, kind, lifetime=SERVICE_SECONDS))
    except (dns.exception.DNSException, OSError, ValueError):
        return ()


class Guard:
    """Judges where this installation may connect to, and connects.

    `allow` are the operator's `CIDR:port` texts, `forbidden_ports` (host, port) of our own database and Redis, refused
    whatever is allowed. `also` is asked at each private address for more texts: places that an operator's command opened
    while this process runs. `lookup`, `services`, `exchanges` and `texts` replace the system's resolver in tests.
    """

    def __init__(
        self,
        allow: Iterable[str] = (),
        forbidden_ports: Collection[tuple[str, int]] = (),
        *,
        also: Callable[[], Iterable[str]] = tuple,
        lookup: Lookup | None = None,
        services: Services = system_services,
        exchanges: Exchanges = system_exchanges,
        texts: Texts = system_texts,
    ) -> None:
        self._also = also
        self._allow = tuple(Allowance.read(text) for text in allow)
        self._forbidden = frozenset((_name(host), port) for host, port in forbidden_ports)
        self._lookup = lookup or Names(system_addresses).addresses
        self.services = services
        self.exchanges = exchanges
        self.texts = texts

    def permits(self, ip: str, port: int) -> bool:
        """Whether this address may be connected to at this port, by the address alone."""
        try:
            address = ipaddress.ip_address(ip)
        except ValueError:
            return False
        ours = any(port == forbidden for _, forbidden in self._forbidden)
        if is_public(address):
            return not (ours and _is_this_machine(address))
        if ours:  # by whatever name it came: what listens in private on our database's port is taken for our database
            return False
        return any(allowance.covers(address, port) for allowance in (*self._allow, *map(Allowance.read, self._also())))

    async def resolve(self, host: str, port: int) -> list[Pinned]:
        """The judged addresses of a host, in the order in which to try them.

        Raises ForbiddenAddress when the host has none that may be connected to, Unavailable when it has none at all.
        """
        if not 0 < port < 65536:
            raise ForbiddenAddress(f"There is no port {port}: correct the server's address.", provider_code="port")
        name = _name(host)
        candidates = await self._candidates(name, port)
        ours = await self._ours(port)
        judged = [
            Pinned(socket.AF_INET if address.version == 4 else socket.AF_INET6, str(address))
            for address in candidates
            if str(address) not in ours and self.permits(str(address), port)
        ]
        if not judged:
            raise ForbiddenAddress(
                f"{name} is not a server that this installation may connect to on port {port}. "
                "If it is yours and private, its operator can allow it in KITH_ALLOW_PRIVATE_HOSTS.",
                provider_code="forbidden-address",
            )
        return list(dict.fromkeys(judged))

    async def connect(
        self, host: str, port: int, tls: ssl.SSLContext | bool = True, *, seconds: float = CONNECT_SECONDS
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A stream to a judged address; `tls` True verifies the certificate against `host` (RFC 9525).

        Raises ForbiddenAddress, or Unavailable when no address answers within `seconds` or the TLS handshake fails.
        """
        context = ssl.create_default_context() if tls is True else tls or None
        trouble: Exception | None = None
        try:
            async with asyncio.timeout(seconds):
                for pinned in await self.resolve(host, port):
                    sock: socket.socket | None = None
                    try:
                        sock = self.open(pinned.family, (pinned.ip, port))
                        await asyncio.get_running_loop().sock_connect(sock, (pinned.ip, port))
                        return await asyncio.open_connection(
                            sock=sock, ssl=context, server_hostname=_name(host) if context else None
                        )
                    except (OSError, ssl.SSLError) as error:
                        trouble = error
                        if sock is not None:
                            sock.close()
                    except BaseException:  # cancelled in the middle: nobody else knows of the socket
                        if sock is not None:
                            sock.close()
                        raise
        except TimeoutError as error:
            trouble = error
        raise Unavailable(f"{_name(host)} does not answer on port {port}: {_plainly(trouble)}.") from trouble

    def open(self, family: int, address: tuple[Any, ...]) -> socket.socket:
        """An unconnected socket for an address that is judged once more: the last gate, for libraries that connect.

        Raises PermissionError.
        """
        if not self.permits(str(address[0]), int(address[1])):
            raise PermissionError(f"connection to {address[0]} refused by the guard")
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    async def wire(
        self, protocol: Callable[[], P], judged: Sequence[Pinned], port: int, tls: ssl.SSLContext | None, name: str
    ) -> P:
        """A connection that speaks `protocol` to whichever of these addresses answers first; `tls` verifies it against `name`.

        The next address is asked after EYEBALLS_SECONDS (RFC 8305 §5). Raises OSError, PermissionError among them for an address that
        is not allowed.
        """
        places: list[Any] = [
            (pinned.family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (pinned.ip, port)) for pinned in judged
        ]  # fmt: skip
        sock: socket.socket = await aiohappyeyeballs.start_connection(
            places,
            happy_eyeballs_delay=EYEBALLS_SECONDS,
            interleave=1,
            socket_factory=lambda place: self.open(int(place[0]), place[4]),
        )
        try:
            loop = asyncio.get_running_loop()
            _, made = await loop.create_connection(protocol, sock=sock, ssl=tls, server_hostname=name if tls else None)
        except BaseException:
            sock.close()
            raise
        return made

    async def _candidates(self, name: str, port: int) -> list[IPv4 | IPv6]:
        with contextlib.suppress(ValueError):
            literal = ipaddress.ip_address(name)
            if isinstance(literal, IPv6) and literal.scope_id is not None:
                raise ForbiddenAddress(f"{name} names an interface of this machine.", provider_code="forbidden-address")
            return [literal]
        if _looks_numeric(name):
            # 2130706433, 0x7f.1, 0177.0.0.1, 127.1: system resolvers read them as addresses (POSIX inet_aton), people do not.
            raise ForbiddenAddress(
                f"{name} is a disguised address: write it in four decimal parts.", provider_code="forbidden-address"
            )
        if name in LOOPBACK_NAMES or name.endswith(".localhost"):
            return [IPv4("127.0.0.1"), IPv6("::1")]  # RFC 6761 §6.3: never asked of DNS
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                found = await self._lookup(name, port)
        except (OSError, UnicodeError) as error:  # TimeoutError is an OSError; UnicodeError: a label too long or empty
            raise Unavailable(
                f"The server name {name[:100]} cannot be found. Check its spelling, or try again later.", provider_code="dns"
            ) from error
        if not found:
            raise Unavailable(f"The server name {name} has no address.", provider_code="dns")
        addresses = []
        for text in found:
            with contextlib.suppress(ValueError):
                addresses.append(ipaddress.ip_address(text.partition("%")[0]))
        return addresses

    async def _ours(self, port: int) -> frozenset[str]:
        """The addresses at which our own database or Redis listens on this port, whatever their names resolve to now."""
        found: set[str] = set()
        for host, ours in self._forbidden:
            if ours == port:
                with contextlib.suppress(Unavailable, ForbiddenAddress):
                    found.update(str(address) for address in await self._candidates(host, port))
        return frozenset(found)


def keep_alive(writer: asyncio.StreamWriter) -> None:
    """For lines that are silent for half an hour, which routers forget; one that is dead is noticed within minutes."""
    sock = writer.get_extra_info("socket")
    if sock is None:
        return
    with contextlib.suppress(OSError, AttributeError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (("TCP_KEEPIDLE", 120), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 4)):
            if hasattr(socket, option):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


def _name(host: str) -> str:
    """One spelling for a host: lower case, no root dot, no brackets."""
    name = host.strip().lower().rstrip(".")
    return name[1:-1] if name.startswith("[") and name.endswith("]") else name


def _looks_numeric(name: str) -> bool:
    """WHATWG URL §3.5: a host whose last label is a number is an IPv4 address, or nothing."""
    last = name.rpartition(".")[2]
    return last.isdecimal() or (last.startswith("0x") and all(sign in "0123456789abcdef" for sign in last[2:]))


def _is_this_machine(address: IPv4 | IPv6) -> bool:
    """Whether an address belongs to an interface of ours: only such addresses can be bound."""
    with socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((str(address), 0))
        except OSError:
            return False
    return True


def _plainly(error: BaseException | None) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return "it does not speak TLS as expected"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (getattr(error, "strerror", None) or "no connection") if error else "no connection"
