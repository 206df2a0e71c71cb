"""An address on the web (RFC 3986), taken apart once and not whenever it is asked for a part: calls ask for each several times."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Final

import httpx2 as httpx

#: Addresses whose parts are remembered: taking one apart costs as much as asking it.
ADDRESSES: Final = 500


class Address(httpx.URL):
    """An httpx URL that knows its parts, and what a request to it begins with."""

    scheme = cached_property(lambda self: super().scheme)
    userinfo = cached_property(lambda self: super().userinfo)
    host = cached_property(lambda self: super().host)
    raw_host = cached_property(lambda self: super().raw_host)
    port = cached_property(lambda self: super().port)
    netloc = cached_property(lambda self: super().netloc)
    raw_path = cached_property(lambda self: super().raw_path)
    text = cached_property(httpx.URL.__str__)

    @cached_property
    def place(self) -> tuple[bool, str, int]:
        """Whether it is encrypted, host and port."""
        secure = self.scheme == "https"
        return secure, self.raw_host.decode("ascii"), self.port or (443 if secure else 80)

    @cached_property
    def site(self) -> tuple[str, bytes, int]:
        """Scheme, host, and the port even where it is the scheme's own (RFC 6454)."""
        return self.scheme, self.raw_host, self.port or (443 if self.scheme == "https" else 80)

    @cached_property
    def authority(self) -> str:
        """Host and port, as the address has them."""
        return str(self.netloc.decode("ascii", "replace"))

    @cached_property
    def start(self) -> bytes:
        """What stands in a request after its method (RFC 9112 §3, §3.2.1), up to its first header that is not Host (RFC 9110 §7.2).

        Raises httpx.LocalProtocolError for an address that would be more than that.
        """
        start = b" %b HTTP/1.1\r\nHost: %b\r\n" % (self.raw_path, self.netloc)
        if start.count(b"\n") != 2 or start.count(b"\r") != 2 or b"\0" in start or not start.isascii():
            raise httpx.LocalProtocolError("an address that holds the end of a line")
        return start

    def __str__(self) -> str:
        return self.text


@lru_cache(maxsize=ADDRESSES)
def address(url: str) -> Address:
    """Raises httpx.InvalidURL and its kind."""
    return Address(url)


@lru_cache(maxsize=ADDRESSES)
def joined(base: str, url: str) -> Address:
    """`url` seen from `base` (RFC 3986 §5)."""
    return Address(address(base).join(url))
