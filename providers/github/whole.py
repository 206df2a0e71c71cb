"""Threads of GitHub read whole: every post, review and remark in them, what of it is unread, and who writes there.

A thread comes with its first posts; the rest is asked for until its end, and a thread that is gone by then is gone. Knows nothing of how
threads are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from providers.errors import Malformed, Refused
from providers.github import thread as github_thread
from providers.github.api import query
from providers.github.people import profiles, relation
from providers.github.person import Actor, contact, instant
from providers.github.run import Run
from providers.github.thread import FEW, Connection, Post, Rest, Thread
from providers.records import Gone, Message, Row, Statement

#: Threads with their first posts that are one point of GitHub's budget.
THREADS: Final = 8


async def whole(run: Run, threads: Sequence[Thread]) -> tuple[list[Row], tuple[Statement, ...]]:
    """Threads with all that is in them, and the profiles of whoever writes there."""
    place = run.place
    rows: list[Row] = []
    statements: list[Statement] = []
    writers: dict[str, Actor] = {}
    for thread in threads:
        run.seen.add(thread.id)
        try:
            posts, reviews = await _posts(run, thread)
        except Refused as error:
            if error.provider_code != "not-found":
                raise
            rows.append(Row(item=Gone(kind="CONVERSATION", key=thread.id)))
            continue
        waiting = place.unread.get(thread.place.casefold())
        read = instant(waiting.read) if waiting is not None else None
        found = github_thread.messages(thread, posts, place.login, read, (waiting is not None) if place.tells else None)
        if waiting is not None:
            waiting.thread, waiting.keys = thread.id, [one.key for one in sorted(found, key=_moment) if one.unread]
        rows += [Row(item=one) for one in found]
        rows.append(Row(item=github_thread.head(thread, found)))
        statements.append(github_thread.statement(thread, posts, reviews))
        writers |= {one.id: one for one in github_thread.people([thread, *posts]) if one.id is not None}
    strangers = [id_ for id_, one in writers.items() if one.key not in run.met and one.key not in place.colleagues]
    users, broken = await profiles(run, strangers)
    # of those in a list of follows the list itself speaks
    rows += [*broken, *(Row(item=contact(user, "CORRESPONDENT", "")) for user in users if relation(user) == "MEMBER")]
    run.met.update(user.key for user in users)
    return rows, tuple(statements)


def _moment(one: Message) -> datetime:
    return one.sent_at


async def _posts(run: Run, thread: Thread) -> tuple[list[Post], list[Post]]:
    """All posts of a thread but the opening one, and those of them that are reviews. Raises Refused when it is gone meanwhile."""
    discussion = thread.reviews is None and _has_replies(thread.comments)
    document = github_thread.REST_OF_ANSWERED if discussion else github_thread.REST_OF_COMMENTS
    posts = await _rest(run, thread.id, thread.comments, document)
    for comment in list(posts):
        posts += await _rest(run, comment.id, comment.replies, github_thread.REST_OF_REPLIES)
    reviews = await _rest(run, thread.id, thread.reviews, github_thread.REST_OF_REVIEWS)
    posts += reviews
    for review in reviews:
        if review.state != github_thread.UNSENT:
            posts += await _rest(run, review.id, review.comments, github_thread.REST_OF_REMARKS)
    return posts, reviews


async def _rest(run: Run, id_: str, connection: Connection | None, document: str) -> list[Post]:
    """A list of posts to its end."""
    posts: list[Post] = []
    known: set[str] = set()
    while connection is not None:
        posts += [each for each in connection.nodes or () if each is not None]
        if not connection.page_info.has_next_page:
            break
        after = connection.page_info.end_cursor or ""
        if after in known:
            raise Malformed("GitHub's list goes in circles.", provider_code="paging")
        known.add(after)
        asked = {"id": id_, "after": after, **({"few": FEW} if "$few" in document else {})}
        answer, _ = await query(run.session, document, asked, Rest)
        if answer.node is None or answer.node.rest is None:
            raise Refused("This thread is not there any more.", provider_code="not-found")
        connection = answer.node.rest
    return posts


def _has_replies(connection: Connection | None) -> bool:
    return any(each is not None and each.replies is not None for each in (connection.nodes if connection else None) or ())
