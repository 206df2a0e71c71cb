"""FOAF in RDF/XML (xmlns.com/foaf/spec): the accounts, pages and mailboxes of one person, and whom they know.

What stands in it are claims: nothing answers them. It speaks for the page that links to it at its own host, or for itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final
from xml.etree.ElementTree import Element

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from providers.lookup import resources
from providers.lookup.crawl import Fetched, Web
from providers.lookup.reading import Ask, Notes, Reading, nothing

PROTOCOL: Final = "foaf"
ACCEPT: Final = "application/rdf+xml, application/xml;q=0.5"
RDF: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
FOAF: Final = "{http://xmlns.com/foaf/0.1/}"
PEOPLE: Final = frozenset({f"{FOAF}Person", f"{FOAF}Agent", f"{FOAF}Organization", f"{FOAF}Group"})
PAGES: Final = ("homepage", "weblog", "openid")


async def read(ask: Ask, web: Web, until: datetime) -> Reading:
    """What a FOAF document says. Raises what `Web.get` raises."""
    fetched = await web.get(ask.url, accept=ACCEPT, until=until, crawled=ask.crawled)
    return reading(ask, fetched, web.clock.now()) if fetched.there else nothing(ask, web.clock.now(), fetched)


def reading(ask: Ask, fetched: Fetched, now: datetime) -> Reading:
    """The reading of a document."""
    try:
        root = fromstring(fetched.response.content)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return nothing(ask, now, fetched, "This is no FOAF document.")
    here = resources.web(fetched.url) or fetched.url
    speaker = ask.subject if ask.subject != ask.url else here
    person = _subject(root, speaker)
    if person is None:
        return nothing(ask, now, fetched, "This FOAF document is about nobody in particular.")
    notes = Notes(ask, speaker)
    for target in (*_pages(person), *_named(person, "mbox"), *_named(person, "phone")):
        notes.says(target, "ME", PROTOCOL)
    for account in (*person.findall(f"{FOAF}account/*"), *person.findall(f"{FOAF}holdsAccount/*")):
        for target in (*_named(account, "accountProfilePage"), account.get(f"{RDF}about") or ""):
            notes.says(target, "ME", PROTOCOL)
    for known in person.findall(f"{FOAF}knows"):
        for friend in known:
            named = (*_pages(friend), *_named(friend, "mbox"))
            notes.says(named[0] if named else friend.get(f"{RDF}about"), "KNOWS", "foaf-knows")
        notes.says(known.get(f"{RDF}resource"), "KNOWS", "foaf-knows")
    picture = next(iter((*_named(person, "img"), *_named(person, "depiction"))), None)
    notes.shows(name=person.findtext(f"{FOAF}name"), photo=picture)
    return notes.done(fetched, now)


def _subject(root: Element, page: str) -> Element | None:
    """Whom the document is about: its primary topic, whoever has the page, or the only one who stands at its top."""
    people = {one for one in root if one.tag in PEOPLE}
    topic = root.find(f"{FOAF}PersonalProfileDocument/{FOAF}primaryTopic")
    name = "" if topic is None else (topic.get(f"{RDF}resource") or topic.get(f"{RDF}nodeID") or "")
    for person in people:
        if name and name.removeprefix("#") in (person.get(f"{RDF}ID"), person.get(f"{RDF}nodeID"), person.get(f"{RDF}about")):
            return person
    own = resources.key(page)
    for person in people:
        if own in {resources.key(url) for one in _pages(person) if (url := resources.web(one))}:
            return person
    return next(iter(people)) if len(people) == 1 else None


def _pages(person: Element) -> Iterator[str]:
    for name in PAGES:
        yield from _named(person, name)


def _named(element: Element, name: str) -> list[str]:
    return [target for one in element.findall(f"{FOAF}{name}") if (target := one.get(f"{RDF}resource"))]
