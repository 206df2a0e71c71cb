"""A site with a feed, as the RFCs say: conditional requests (RFC 9110 §13), redirects, an archive in pages (RFC 5005)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

from tests.providers.stub_http import Answer, Request

PAGE = 8


class Site:
    """A site whose feed is at /feed.xml, the newest of `posts` (title → text) first. `pages` are other addresses of it."""

    def __init__(self) -> None:
        self.url = ""
        self.posts: list[str] = []
        self.archived = True
        self.validators = True
        self.headers: dict[str, str] = {}
        self.pages: dict[str, Answer | Callable[[Request], Answer]] = {}
        self.asked: list[Request] = []

    def answer(self, request: Request) -> Answer:
        self.asked.append(request)
        if (page := self.pages.get(request.path)) is not None:
            return page if isinstance(page, Answer) else page(request)
        if request.path != "/feed.xml":
            return Answer(404, b"no", Content_Type="text/plain")
        return self.conditionally(request, self.feed(int(request.one("page", "0"))), "application/atom+xml")

    def conditionally(self, request: Request, body: bytes, media_type: str) -> Answer:
        """RFC 9110 §13.2.2: If-None-Match is judged first, and If-Modified-Since only without it."""
        etag = f'W/"{hashlib.sha256(body).hexdigest()[:12]}"'
        said = {"ETag": etag, "Last_Modified": "Mon, 04 May 2026 09:00:00 GMT"} if self.validators else {}
        if self.validators and request.headers.get("if-none-match") == etag:
            return Answer(304, b"", **{**self.headers, "ETag": etag})
        return Answer(200, body, Content_Type=media_type, **said, **self.headers)

    def feed(self, page: int = 0) -> bytes:
        """One document of the archive, written as Atom."""
        listed = list(reversed(list(enumerate(self.posts))))
        shown = listed[page * PAGE : (page + 1) * PAGE]
        more = self.archived and len(listed) > (page + 1) * PAGE
        following = f'<link rel="next" href="/feed.xml?page={page + 1}"/>' if more else ""
        return atom("".join(entry(number, title) for number, title in shown), following)


def atom(entries: str, more: str = "", author: str = "<author><name>Ada Ray</name></author>") -> bytes:
    return (
        '<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom"><id>tag:blog.example,2026:f</id>'
        f'<title>Ada\'s blog</title><link href="https://blog.example/"/>{author}{more}{entries}</feed>'
    ).encode()


def entry(number: int, title: str, more: str = "") -> str:
    return (
        f"<entry><id>tag:blog.example,2026:{number}</id><title>{escape(title)}</title>"
        f'<link href="https://blog.example/{number}"/><published>2026-04-{number % 28 + 1:02}T10:00:00Z</published>'
        f"<content type='html'>&lt;p>Post {number}.&lt;/p></content>{more}</entry>"
    )


def rss(items: str, more: str = "") -> bytes:
    return (
        '<rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:sy="http://purl.org/rss/1.0/modules/syndication/" '
        'xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><title>Ada</title><link>https://blog.example/</link>'
        f"{more}{items}</channel></rss>"
    ).encode()


def page(head: str) -> Answer:
    return Answer(200, f"<!DOCTYPE html><html><head>{head}</head><body>Hi</body></html>".encode(), Content_Type="text/html")


def document(body: bytes, media_type: str = "text/xml", **headers: Any) -> Answer:
    return Answer(200, body, Content_Type=media_type, **headers)
