"""Content of Matrix's media repositories (Client-Server API "Content repository"): files and small pictures. Knows nothing of what they are for."""

from __future__ import annotations

from collections.abc import Sequence

from providers.errors import Refused
from providers.http import Response, Session
from providers.matrix.api import ask, segment


async def fetch(session: Session, what: str, server: str, id_: str, query: Sequence[tuple[str, str]], max_bytes: int) -> Response:
    """Content repository, v1.11: only for those who are signed in; older servers know the older path."""
    place = f"{what}/{segment(server)}/{segment(id_)}"
    try:
        return await ask(session, f"/_matrix/client/v1/media/{place}", query, max_bytes, statuses={500, 502, 503, 504})
    except Refused as error:
        if error.provider_code not in ("M_UNRECOGNIZED", "not-found"):
            raise
    return await ask(session, f"/_matrix/media/v3/{place}", query, max_bytes, statuses={500, 502, 503, 504})
