"""What people do at GitHub as activities: stars, forks, new repositories, releases, issues, pull requests and colleagues.

An event (`GET /users/{username}/received_events`, `/events`) is read for what a feed would show of it. Comments and reviews are left out,
because they are messages of their threads, and so are pushes, tags and branches, which are work and no news. Events are late, and
GitHub forgets them after 300 or thirty days. Knows no calls.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.github.api import KEY
from providers.github.person import instant, long, short, web
from providers.records import Activity, ActivityObject, ActivityVerb, Actor

RECEIVED, OWN = "received_events", "events"
FEEDS: Final = (RECEIVED, OWN)


class Whose(msgspec.Struct, frozen=True):
    id: int
    login: str
    avatar_url: str | None = None


class Where(msgspec.Struct, frozen=True):
    name: str


class Event(msgspec.Struct, frozen=True):
    """rest/activity/events; `payload` differs by `type` and is trimmed by GitHub without notice."""

    id: str
    type: str | None
    actor: Whose
    repo: Where
    payload: dict[str, Any]
    created_at: str | None = None
    public: bool = True

    @property
    def number(self) -> int:
        """Ids grow with time."""
        return int(self.id[:18]) if self.id.isascii() and self.id.isdigit() else 0


def activity(event: Event, site: str, container: str, original: bytes) -> Activity | None:
    """The event as an activity; None for those that are none here. `site` is where people see the repositories."""
    repository = _repository(event.repo.name, site)
    action = event.payload.get("action")
    object_: ActivityObject | None = repository
    target: ActivityObject | None = None
    verb: ActivityVerb
    match event.type, action:
        case "WatchEvent", _:
            verb, said = "LIKE", f"starred {event.repo.name}"
        case "PublicEvent", _:
            verb, said = "ANNOUNCE", f"made {event.repo.name} public"
        case "CreateEvent", _ if event.payload.get("ref_type") == "repository":
            verb, said = "CREATE", f"created {event.repo.name}"
            object_ = msgspec.structs.replace(repository, text=long(_text(event.payload, "description")) or None)
        case "ForkEvent", _:
            name = short(_text(_part(event.payload, "forkee"), "full_name"))
            verb, said, target = "CREATE", f"forked {event.repo.name}", repository
            object_ = _repository(name, site) if name else repository
        case "ReleaseEvent", "published":
            release = _part(event.payload, "release")
            name = short(_text(release, "name") or _text(release, "tag_name"))
            verb, said, target = "CREATE", f"released {name} of {event.repo.name}", repository
            object_ = _written("ARTICLE", release, name, _text(release, "html_url"), event)
        case "IssuesEvent", "opened":
            issue = _part(event.payload, "issue")
            name = short(_text(issue, "title"))
            verb, said, target = "CREATE", f"opened an issue in {event.repo.name}: {name}", repository
            object_ = _written("NOTE", issue, name, _text(issue, "html_url"), event)
        case "PullRequestEvent", "opened" | "merged" | "closed":
            pull = _part(event.payload, "pull_request")
            merged = action == "merged" or pull.get("merged") is True
            if action == "closed" and not merged:
                return None
            number = event.payload.get("number")
            name = short(_text(pull, "title")) or f"#{number}"
            verb, target = ("ACCEPT" if merged else "CREATE"), repository
            said = f"{'merged' if merged else 'opened'} a pull request of {event.repo.name}: {name}"
            object_ = _written("NOTE", pull, name, f"{site}/{event.repo.name}/pull/{number}", event)
        case "MemberEvent", "added":
            login = short(_text(_part(event.payload, "member"), "login"))
            verb, said, target = "ADD", f"added {login} to {event.repo.name}", repository
            object_ = ActivityObject(kind="PROFILE", uri=f"{site}/{login}", name=login, url=web(f"{site}/{login}"))
        case _:
            return None
    return Activity(
        key=event.id,
        actor=_actor(event.actor, site),
        verb=verb,
        object=object_,
        target=target,
        summary=said,
        occurred_at=instant(event.created_at),
        visibility="PUBLIC" if event.public else "LIMITED",
        original=original,
        url=object_.url if object_ is not None else None,
        container=container,
    )


def _actor(whose: Whose, site: str) -> Actor:
    login = short(whose.login)
    url = f"{site}/{login}"
    return Actor(
        uri=url,
        kind="APPLICATION" if login.endswith("[bot]") else "PERSON",
        name=login,
        handle=login,
        provider=KEY,
        key=str(whose.id),
        url=web(url),
        photo_url=web(whose.avatar_url),
    )


def _repository(name: str, site: str) -> ActivityObject:
    url = f"{site}/{name}"
    return ActivityObject(kind="REPOSITORY", uri=url, name=short(name), url=web(url))


def _written(kind: Any, source: dict[str, Any], name: str, url: str, event: Event) -> ActivityObject:
    """Something with a text of its own; its address is what names it everywhere."""
    address = web(url)
    return ActivityObject(
        kind=kind, uri=address, name=name or None, text=long(_text(source, "body")) or None, url=address,
        published_at=instant(event.created_at),
    )  # fmt: skip


def _part(payload: dict[str, Any], name: str) -> dict[str, Any]:
    found = payload.get(name)
    return found if isinstance(found, dict) else {}


def _text(source: dict[str, Any], name: str) -> str:
    found = source.get(name)
    return found if isinstance(found, str) else ""
