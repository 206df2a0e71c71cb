"""Host-meta: what the installation says of itself as a whole (RFC 6415), for clients that know its host alone.

It names the place of PortableContacts, and how one asks about an account or a page here (WebFinger). It is of the installation, names
nobody and needs no key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import quoteattr

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway import portable_contacts, webfinger

if TYPE_CHECKING:
    from gateway.installation import Installation

PATH: Final = "/.well-known/host-meta"
_XRD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">{links}</XRD>\n'


class HostMeta:
    """One per process."""

    def __init__(self, installation: Installation) -> None:
        url = installation.settings.url
        self._links: list[dict[str, str]] = [
            {"rel": portable_contacts.REL, "href": f"{url}{portable_contacts.BASE}"},
            # RFC 6415 §4.2: where descriptions of single resources are, here those that speak JRD
            {"rel": "lrdd", "type": webfinger.MEDIA_TYPE, "template": f"{url}{webfinger.PATH}?resource={{uri}}"},
        ]

    def routes(self) -> list[BaseRoute]:
        return [Route(PATH, self.xml), Route(f"{PATH}.json", self.json)]

    async def xml(self, request: Request) -> Response:
        """As XRD (RFC 6415 §3)."""
        links = "".join(
            f"<Link {' '.join(f'{name}={quoteattr(value)}' for name, value in link.items())}/>" for link in self._links
        )
        return Response(_XRD.format(links=links), 200, portable_contacts.PUBLIC, "application/xrd+xml")

    async def json(self, request: Request) -> Response:
        """As JRD, by the other address (RFC 6415 appendix A)."""
        return JSONResponse({"links": self._links}, 200, portable_contacts.PUBLIC, "application/json")
