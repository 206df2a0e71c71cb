"""What is unread at GitHub, and saying what was read: the notifications (rest/activity/notifications) of issues and pull requests.

Threads that are new there are read; of those that are gone from it all is read. GitHub keeps that of whole threads: one is marked as read
when all of it was read that Kith knows, and nothing has come since. Which notification is of which thread is remembered with the account.
Knows nothing of people.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from providers.errors import ReauthRequired, Refused
from providers.github import thread as github_thread
from providers.github.api import decoded, get, patch, query
from providers.github.run import PARTIAL, Run, Waiting, skipped
from providers.github.thread import Thread
from providers.github.whole import THREADS, whole
from providers.http import Response, Session
from providers.records import MessageState, Page, Row

NOTIFICATIONS: Final = 50  # the most that a page may have
INBOX_PAGES: Final = 20  # a thousand threads; what is older in the inbox counts as read


class Noted(msgspec.Struct, frozen=True):
    """What is remembered of an unread thread: its notification, when that was updated, and its latest unread message."""

    note: str
    updated: str
    latest: str


class Subject(msgspec.Struct, frozen=True):
    type: str
    url: str | None = None


class Home(msgspec.Struct, frozen=True):
    full_name: str


class Notification(msgspec.Struct, frozen=True):
    """GET /notifications."""

    id: str
    updated_at: str
    subject: Subject
    repository: Home
    last_read_at: str | None = None

    @property
    def thread(self) -> tuple[str, str, int] | None:
        """Owner, repository and number, of an issue or a pull request; the others name no thread (a discussion's url is null)."""
        owner, _, name = self.repository.full_name.partition("/")
        number = (self.subject.url or "").rpartition("/")[2]
        if self.subject.type not in ("Issue", "PullRequest") or not name or not (number.isascii() and number.isdigit()):
            return None
        return owner, name, int(number[:9])


async def inbox(run: Run) -> AsyncIterator[Page]:
    """What is unread. Threads that are new there are read; of those that are gone from it all is read."""
    place = run.place
    if run.now() < place.ask_after:
        return
    known = {"If-Modified-Since": place.inbox} if place.inbox else {}
    try:
        answer = await get(run.session, "/notifications", {"per_page": str(NOTIFICATIONS)}, unless=known)
        if answer is None:
            return
        modified, pause = answer.headers.get("last-modified", ""), answer.headers.get("x-poll-interval", "")
        listed = await _notifications(run, answer)
    except Refused as error:
        if error.provider_code not in PARTIAL:
            raise
        place.tells, place.inbox = False, ""
        text = f"Which threads are unread is not shown: {error.message} Fine-grained tokens never may; others need notifications."
        yield Page(rows=(skipped("notifications", text),), cursor=run.cursor())
        return
    place.tells = True
    wanted = {f"{o}/{n}#{i}".casefold(): (note, (o, n, i)) for note in listed if (t := note.thread) for o, n, i in [t]}
    read = [place.unread.pop(name) for name in sorted(set(place.unread) - set(wanted))]
    rows = [Row(item=MessageState(key=key, container=one.thread, unread=False)) for one in read for key in one.keys]
    if rows:
        yield Page(rows=tuple(rows), cursor=run.cursor())
    for name in wanted.keys() & place.unread.keys():
        place.unread[name].note = wanted[name][0].id
    new = [name for name, (note, _) in wanted.items() if not _same(place.unread.get(name), note)]
    for start in range(0, len(new), THREADS):
        some = new[start : start + THREADS]
        for name in some:
            note = wanted[name][0]
            place.unread[name] = Waiting(updated=note.updated_at, note=note.id, read=note.last_read_at or "")
        threads = await _by_number(run, [wanted[name][1] for name in some])
        page, statements = await whole(run, [thread for thread in threads if thread is not None])
        for name, thread in zip(some, threads, strict=True):
            if thread is None:
                page.append(skipped(name, "This thread is in your inbox, and the token may not read it."))
        yield Page(rows=tuple(page), statements=statements, cursor=run.cursor())
    place.inbox = modified
    place.ask_after = run.after(pause)


async def remember(run: Run) -> None:
    """Keep what saying what was read takes."""
    unread = (one for one in run.place.unread.values() if one.thread and one.note and one.keys)
    kept = msgspec.json.encode({one.thread: Noted(one.note, one.updated, one.keys[-1]) for one in unread}, order="sorted")
    if kept != (await run.session.memory.read() or b"{}"):
        await run.session.memory.keep(kept)


async def read_up_to(session: Session, latest: Mapping[str, str]) -> None:
    """Mark the notifications of threads as read that were read to their end. Raises Refused where that is not so, after all others were
    marked, ReauthRequired (`scope`) where the token may not, and ProviderError.
    """
    try:
        known = msgspec.json.decode(await session.memory.read() or b"{}", type=dict[str, Noted])
    except (msgspec.DecodeError, UnicodeDecodeError):
        known = {}
    trouble: Refused | None = None
    for thread, message in latest.items():
        if (noted := known.get(thread)) is None:
            continue  # it is not in the inbox any more
        if noted.latest != message:
            text = "GitHub keeps what was read of whole threads: this one was not read to its end."
            trouble = Refused(text, provider_code="partly")
        elif not await _mark(session, noted):
            text = "Something has come in this thread meanwhile: it stays unread until that is here, too."
            trouble = Refused(text, provider_code="newer")
    if trouble is not None:
        raise trouble


async def _mark(session: Session, noted: Noted) -> bool:
    """False when something has come in the thread since."""
    path = f"/notifications/threads/{quote(noted.note, safe='')}"
    try:
        answer = await get(session, path)
        if answer is not None and decoded(answer, Notification).updated_at != noted.updated:
            return False
        await patch(session, path)
    except Refused as error:
        if error.provider_code in ("scope", "403"):
            text = "Marking as read was not allowed: link with a classic token that has the scope notifications."
            raise ReauthRequired(text, provider_code="scope") from error
        if error.provider_code != "not-found":
            raise  # a notification that is gone has been read
    return True


async def _notifications(run: Run, first: Response) -> list[Notification]:
    """All that are unread, from the first page on."""
    found: list[Notification] = []
    answer: Response | None = first
    for number in range(2, INBOX_PAGES + 2):
        if answer is None:
            break
        found += decoded(answer, list[Notification])
        if "next" not in answer.links() or number > INBOX_PAGES:
            break
        answer = await get(run.session, "/notifications", {"per_page": str(NOTIFICATIONS), "page": str(number)})
    return found


async def _by_number(run: Run, places: Sequence[tuple[str, str, int]]) -> list[Thread | None]:
    document, variables = github_thread.by_number(places)
    answer, _ = await query(run.session, document, variables, dict[str, github_thread.Named | None])
    named = [answer.get(f"t{n}") for n in range(len(places))]
    return [None if each is None else each.issue_or_pull_request for each in named]


def _same(waiting: Waiting | None, note: Notification) -> bool:
    return waiting is not None and (waiting.updated, waiting.read) == (note.updated_at, note.last_read_at or "")
