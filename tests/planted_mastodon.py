"""Mastodon-compatible servers in the planted web: what each says of its users' links by its API, and what of that is worth something.

A server as it comes, one that answers only signed requests for actors, and one that somebody runs to have others verified. Actors and
accounts have the shape of Mastodon 4.5's (docs.joinmastodon.org/spec/activitypub, /entities/Account).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from tests.sites import CLAIMED, RECIPROCAL, VERIFIED, Document, Sites
from tests.sites import page as written

if TYPE_CHECKING:
    from tests.planted_web import PlantedWeb

SEEN: Final = "2025-11-03T08:15:00.123+00:00"
CONTEXT: Final = [
    "https://www.w3.org/ns/activitystreams",
    "https://w3id.org/security/v1",
    {"toot": "http://joinmastodon.org/ns#", "schema": "http://schema.org#", "PropertyValue": "schema:PropertyValue"},
]


def plant(web: PlantedWeb) -> None:
    """Plants all of it, and says in the book what it amounts to."""
    _verified(web, "m0.example", signed=False)
    _verified(web, "m1.example", signed=True)
    _liar(web)
    _moved(web)


def value(url: str) -> str:
    """A link in a field, as Mastodon writes it."""
    bare = url.removeprefix("https://")
    return (
        f'<a href="{url}" target="_blank" rel="nofollow noopener me" translate="no"><span class="invisible">https://</span>'
        f'<span class="">{bare}</span><span class="invisible"></span></a>'
    )


def account(host: str, name: str, fields: dict[str, str | None], **more: Any) -> dict[str, Any]:
    """An account of its API. `fields` is each link with when it was seen to lead back."""
    shown = [{"name": f"Link {n}", "value": value(url), "verified_at": at} for n, (url, at) in enumerate(fields.items())]
    return {
        "id": "109", "username": name, "acct": name, "display_name": name.title(), "locked": False, "bot": False, "discoverable": True,
        "created_at": "2022-11-08T00:00:00.000Z", "note": f"<p>This is {name}.</p>", "url": f"https://{host}/@{name}",
        "uri": f"https://{host}/users/{name}", "avatar": f"https://{host}/avatars/{name}.png",
        "avatar_static": f"https://{host}/avatars/{name}.png", "emojis": [], "fields": shown, **more,
    }  # fmt: skip


def put(web: Sites, host: str, name: str, fields: dict[str, str | None], *, signed: bool = False, **more: Any) -> None:
    """An account with its WebFinger, its actor, its page and its entry in the API. `signed`: actors are for those who sign alone."""
    actor, page, acct = f"https://{host}/users/{name}", f"https://{host}/@{name}", f"acct:{name}@{host}"
    document = {
        "@context": CONTEXT, "id": actor, "type": "Person", "preferredUsername": name, "name": name.title(), "url": page,
        "attachment": [{"type": "PropertyValue", "name": f"Link {n}", "value": value(url)} for n, url in enumerate(fields)], **more,
    }  # fmt: skip
    kind = "application/activity+json; charset=utf-8"
    body = Document(json.dumps(document).encode(), headers={"Content-Type": kind})
    web.put(actor, Document(b'{"error":"Request not signed"}', 401) if signed else body)
    entry = json.dumps(account(host, name, fields)).encode()
    web.put(f"https://{host}/api/v1/accounts/lookup?acct={name}", Document(entry, headers={"Content-Type": "application/json"}))
    finger = {
        "subject": acct, "aliases": [page, actor],
        "links": [
            {"rel": "http://webfinger.net/rel/profile-page", "type": "text/html", "href": page},
            {"rel": "self", "type": "application/activity+json", "href": actor},
            {"rel": "http://ostatus.org/schema/1.0/subscribe", "template": f"https://{host}/authorize_interaction?uri={{uri}}"},
        ],
    }  # fmt: skip
    for resource in (acct, actor):
        web.fingers[host, resource] = finger


def _named(web: PlantedWeb, host: str, name: str) -> tuple[str, str]:
    """What its own host says of an account, in the book; its actor and its page."""
    actor, page, acct = f"https://{host}/users/{name}", f"https://{host}/@{name}", f"acct:{name}@{host}"
    for speaker, target in ((acct, actor), (acct, page), (actor, acct), (actor, page)):
        web.says(speaker, target, "ALIAS", VERIFIED)
    web.starts.append(acct)
    return actor, page


def _shown(web: PlantedWeb, actor: str, page: str) -> None:
    """Its page, which a browser fills."""
    head = f'<link href="{actor}" rel="alternate" type="application/activity+json"><body><div id="mastodon"></div>'
    web.put(page, Document(f"<!doctype html>{head}".encode(), headers={"Content-Type": "text/html; charset=utf-8"}))
    web.says(page, actor, "ALIAS", RECIPROCAL)


def _verified(web: PlantedWeb, host: str, *, signed: bool) -> None:
    """Links that were seen: one that still leads back, one that does no more, one that never did and one that was not looked at."""
    name = "mira"
    actor, page = _named(web, host, name)
    own = [f"https://{kind}.{host}/" for kind in ("back", "gone", "never", "unseen")]
    put(web, host, name, {own[0]: SEEN, own[1]: SEEN, own[2]: None, own[3]: None}, signed=signed)
    _shown(web, actor, page)
    for n, url in enumerate(own):
        returned = n in (0, 3)
        web.put(url, written(("me", page)) if returned else written())
        web.says(actor, url, "ME", VERIFIED if n == 0 else RECIPROCAL if returned else CLAIMED)
        if returned:
            web.says(url, page, "ME", RECIPROCAL)
            web.starts.append(url)


def _liar(web: PlantedWeb) -> None:
    """A server that says of person 0's site, as of its user's own, that it has seen it name the user, in a year that is still to come."""
    host, name, own = "m2.example", "person0", "https://own.m2.example/"
    actor, page = _named(web, host, name)
    put(web, host, name, dict.fromkeys((own, web.victim), "2999-01-01T00:00:00.000Z"))
    _shown(web, actor, page)
    web.put(own, written(("me", page)))
    web.says(actor, own, "ME", VERIFIED)
    web.says(own, page, "ME", RECIPROCAL)
    web.says(actor, web.victim, "ME", CLAIMED)
    web.starts.append(own)


def _moved(web: PlantedWeb) -> None:
    """An account that has moved to another server, which names it; and one that a stranger's account names."""
    (old, old_page), (new, new_page), (other, other_page) = (
        _named(web, host, name) for host, name in (("m0.example", "nora"), ("m1.example", "nora"), ("m0.example", "olga"))
    )
    put(web, "m0.example", "nora", {}, movedTo=new)
    put(web, "m1.example", "nora", {}, alsoKnownAs=[old, other])
    put(web, "m0.example", "olga", {})
    for actor, page in ((old, old_page), (new, new_page), (other, other_page)):
        _shown(web, actor, page)
    web.says(old, new, "MOVED_TO", RECIPROCAL)
    web.says(new, old, "ME", RECIPROCAL)
    web.says(new, other, "ME", CLAIMED)
