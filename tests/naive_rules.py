"""Stream rules asked one by one, as docs/streams.md says what they mean: no index, no keys, words compared one with another.

What the matcher finds has to be what this says of each rule. It shares the tree of a rule and the folding of words with the product, and
nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import urlsplit

from providers import records
from resolvers.streams.tree import Address, Every, Fact, Node, Not, Some, Words
from store.words import fold

CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]")
NAMES = {
    "has:mentions": lambda a: bool(a.mentions),
    "has:hashtags": lambda a: any(t.hashtags for t in things(a)),
    "has:media": lambda a: any(t.media for t in things(a)),
    "has:images": lambda a: has_media(a, "image/"),
    "has:videos": lambda a: has_media(a, "video/"),
    "has:audio": lambda a: has_media(a, "audio/"),
    "has:location": lambda a: any(t.location for t in things(a)),
    "has:title": lambda a: any(t.name for t in things(a)),
    "has:language": lambda a: any(t.language for t in things(a)),
    "has:links": lambda a: bool(links(a)),
}


def meets(rule: Node, activity: records.Activity, network: str, circles: Collection[str] = ()) -> bool:
    """Whether an activity that was seen on a network, of somebody of these circles, meets a rule."""
    if isinstance(rule, Not):
        return not meets(rule.part, activity, network, circles)
    if isinstance(rule, Every):
        return all(meets(part, activity, network, circles) for part in rule.parts)
    if isinstance(rule, Some):
        return any(meets(part, activity, network, circles) for part in rule.parts)
    if isinstance(rule, Words):
        return any(stands_in(rule.words, fold(part).split()) for part in texts(rule.column, activity))
    if isinstance(rule, Address):
        return any(leads_to(link, rule) for link in links(activity))
    return holds(rule, activity, network, circles)


def things(activity: records.Activity) -> list[records.ActivityObject]:
    return [thing for thing in (activity.object, activity.target) if thing is not None]


def has_media(activity: records.Activity, kind: str) -> bool:
    return any(one.media_type.startswith(kind) for thing in things(activity) for one in thing.media)


def texts(column: str, activity: records.Activity) -> list[str]:
    actor = activity.actor
    found: list[str | None] = []
    if column == "from":
        found = [actor.name, actor.handle]
    elif column == "to":
        found = [said for one in activity.mentions for said in (one.name, one.handle)]
        if activity.target is not None and activity.target.kind in ("PROFILE", "OTHER", "RELATIONSHIP"):
            found.append(activity.target.name)
    elif column == "url":
        found = list(links(activity))
    for thing in things(activity):
        if column == "text":
            found += [thing.name, thing.summary, thing.text, thing.location, *thing.hashtags, *(one.alt for one in thing.media)]
        if column == "about":
            found += [thing.name, *thing.hashtags]
            maker = thing.attributed_to
            if maker is not None and maker.uri != actor.uri:
                found += [maker.name, maker.handle]
    return [text for text in found if text]


def stands_in(wanted: tuple[str, ...], words: list[str]) -> bool:
    """Side by side; a lone letter of a script without blanks is found in the pairs that runs are cut into."""
    for n in range(len(words) - len(wanted) + 1):
        part = words[n : n + len(wanted)]
        if all(same(word, one, k == 0, k == len(wanted) - 1) for k, (word, one) in enumerate(zip(part, wanted, strict=True))):
            return True
    return False


def same(word: str, wanted: str, first: bool, last: bool) -> bool:
    if len(wanted) == 1 and CJK.match(wanted):
        if first and last:
            return wanted in word
        if first:
            return word.endswith(wanted)
        if last:
            return word.startswith(wanted)
    return word == wanted


def links(activity: records.Activity) -> list[str]:
    found: list[str] = []
    for thing in things(activity):
        if thing.url and thing.kind not in ("NOTE", "PROFILE", "TOMBSTONE"):
            found.append(thing.url)
        for text in (thing.summary, thing.text):
            found += [
                word.rstrip(".,;:!?)]}'\u2026") for word in re.findall(r"https?://[^\s<>\"'\u201c\u201d]+", text or "", re.I)
            ]
    return found


def leads_to(link: str, rule: Address) -> bool:
    parts = urlsplit(link)
    host = (parts.hostname or "").lower()
    if host != rule.host and not host.endswith("." + rule.host):
        return False
    path = parts.path + ("?" + parts.query if parts.query else "")
    return path == rule.path or any(path.startswith(rule.path + sign) for sign in "/?#") or not rule.path


def holds(rule: Fact, activity: records.Activity, network: str, circles: Collection[str]) -> bool:
    key = rule.key
    if key.startswith("circle="):
        return key[7:] in circles
    if key.startswith("#"):
        return any(key[1:] == "".join(fold(tag).split()) for thing in things(activity) for tag in thing.hashtags)
    if key.startswith("on:"):
        return key == f"on:{network}"
    if key.startswith("from="):
        return key[5:] == activity.actor.uri
    if key.startswith("lang:"):
        said = [thing.language.lower() for thing in things(activity) if thing.language]
        return any(one == key[5:] or one.startswith(key[5:] + "-") for one in said) if said else key == "lang:und"
    return NAMES[key](activity)
