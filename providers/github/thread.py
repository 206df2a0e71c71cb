"""Issues, pull requests and discussions as conversations: what is asked of them, and what each post means as a message.

A thread is its opening post, its comments, and of a pull request its reviews with their remarks on lines of code; of a discussion
the comments have replies. What GitHub gives only in part is marked by a `Connection` that goes on. Bodies are Markdown and stay so.
Knows nothing of calls, paging or notifications.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from providers.github.person import AUTHOR, Actor, instant, long, participant, short, web
from providers.records import ConversationHead, Message, Participant, Statement

#: A review that its author has not sent yet is nobody else's to see, and no message.
UNSENT: Final = "PENDING"
_MENTION: Final = re.compile(r"(?<![\w`/-])@([A-Za-z0-9](?:[A-Za-z0-9-]{0,38}))(?![\w/-])")

_POST: Final = "id url body createdAt lastEditedAt author { ...Author }"
_REMARK: Final = _POST + " replyTo { id }"
_MORE: Final = "totalCount pageInfo { hasNextPage endCursor }"
_OPENING: Final = _POST + " number title updatedAt repository { nameWithOwner }"
_COMMENTS: Final = f"{_MORE} nodes {{ {_POST} }}"
_REMARKS: Final = f"{_MORE} nodes {{ {_REMARK} }}"
_REVIEW: Final = f"{_POST} state submittedAt comments(first: $few) {{ {_REMARKS} }}"
_ANSWERED: Final = f"{_POST} deletedAt replies(first: $few) {{ {_MORE} nodes {{ {_REMARK} deletedAt }} }}"

ISSUE: Final = (
    f"""
fragment Issue on Issue {{
  {_OPENING} comments(first: 100) {{ {_COMMENTS} }}
}}
fragment Pull on PullRequest {{
  {_OPENING} comments(first: 100) {{ {_COMMENTS} }}
  reviews(first: 10) {{ {_MORE} nodes {{ {_REVIEW} }} }}
}}"""
    + AUTHOR
)
DISCUSSION: Final = (
    f"""
fragment Discussion on Discussion {{
  {_OPENING} comments(first: 10) {{ {_MORE} nodes {{ {_ANSWERED} }} }}
}}"""
    + AUTHOR
)
#: Notifications name a thread by its repository and number: several of them are asked for in one query.
THREAD_OF: Final = "t{n}: repository(owner: $o{n}, name: $n{n}) {{ issueOrPullRequest(number: $i{n}) {{ ...Issue ...Pull }} }}"
#: How many of the innermost lists come along: nothing of it is lost, the rest is asked for.
FEW: Final = 20
_SEARCH: Final = "query: $query, first: $first, after: $after"
_FOUND: Final = "($query: String!, $first: Int!, $after: String, $few: Int!)"
#: Eight threads, their comments, ten reviews of each with remarks: 1 + 8 + 8 + 80 requests, one point.
ISSUES: Final = (
    f"query Issues{_FOUND} {{ search(type: ISSUE, {_SEARCH}) "
    "{ pageInfo { hasNextPage endCursor } nodes { ...Issue ...Pull } } }" + ISSUE
)
DISCUSSIONS: Final = (
    f"query Discussions{_FOUND} {{ search(type: DISCUSSION, {_SEARCH}) "
    "{ pageInfo { hasNextPage endCursor } nodes { ...Discussion } } }" + DISCUSSION
)
_REST: Final = "($id: ID!, $after: String!"
#: What follows in a list that was cut off, by what the list is: its name in every answer is `rest`.
REST_OF_COMMENTS: Final = (
    f"query Comments{_REST}) {{ node(id: $id) {{ "
    f"... on Issue {{ rest: comments(first: 100, after: $after) {{ {_COMMENTS} }} }} "
    f"... on PullRequest {{ rest: comments(first: 100, after: $after) {{ {_COMMENTS} }} }} }} }}" + AUTHOR
)
REST_OF_REVIEWS: Final = (
    f"query Reviews{_REST}, $few: Int!) {{ node(id: $id) {{ "
    f"... on PullRequest {{ rest: reviews(first: 100, after: $after) {{ {_MORE} nodes {{ {_REVIEW} }} }} }} }} }}" + AUTHOR
)
REST_OF_REMARKS: Final = (
    f"query Remarks{_REST}) {{ node(id: $id) {{ "
    f"... on PullRequestReview {{ rest: comments(first: 100, after: $after) {{ {_REMARKS} }} }} }} }}" + AUTHOR
)
REST_OF_ANSWERED: Final = (
    f"query Answered{_REST}, $few: Int!) {{ node(id: $id) {{ "
    f"... on Discussion {{ rest: comments(first: 100, after: $after) {{ {_MORE} nodes {{ {_ANSWERED} }} }} }} }} }}" + AUTHOR
)
REST_OF_REPLIES: Final = (
    f"query Replies{_REST}) {{ node(id: $id) {{ "
    f"... on DiscussionComment {{ rest: replies(first: 100, after: $after) {{ {_MORE} nodes {{ {_REMARK} deletedAt }} }} }} }} }}"
    + AUTHOR
)


class PageInfo(msgspec.Struct, frozen=True, rename="camel"):
    has_next_page: bool
    end_cursor: str | None = None


class Connection(msgspec.Struct, frozen=True, rename="camel"):
    total_count: int
    page_info: PageInfo
    nodes: list[Post | None] | None = None


class ReplyTo(msgspec.Struct, frozen=True):
    id: str


class Post(msgspec.Struct, frozen=True, rename="camel"):
    """A comment, review, remark on a line, or reply: what they share, and the lists below some of them."""

    id: str
    url: str
    created_at: str
    body: str = ""
    last_edited_at: str | None = None
    author: Actor | None = None
    reply_to: ReplyTo | None = None
    state: str | None = None
    submitted_at: str | None = None
    deleted_at: str | None = None
    comments: Connection | None = None  # of a review
    replies: Connection | None = None  # of a comment in a discussion


class Repository(msgspec.Struct, frozen=True, rename="camel"):
    name_with_owner: str


class Thread(Post, frozen=True, rename="camel", kw_only=True):
    """An issue, a pull request or a discussion, with the beginning of its lists."""

    number: int
    title: str
    updated_at: str
    repository: Repository
    reviews: Connection | None = None

    @property
    def place(self) -> str:
        """How people write it, and notifications name it: owner/repository#number."""
        return f"{self.repository.name_with_owner}#{self.number}"


class Named(msgspec.Struct, frozen=True, rename="camel"):
    """A repository with the thread that was asked for by its number."""

    issue_or_pull_request: Thread | None = None


class Node(msgspec.Struct, frozen=True):
    rest: Connection | None = None


class Rest(msgspec.Struct, frozen=True):
    """The answer to any of the questions for the rest of a list."""

    node: Node | None = None


def by_number(places: Sequence[tuple[str, str, int]]) -> tuple[str, dict[str, object]]:
    """The query for these threads (owner, repository, number), as `t0`, `t1` …, with its variables; eight of them are one point."""
    declared = "".join(f", $o{n}: String!, $n{n}: String!, $i{n}: Int!" for n in range(len(places)))
    asked = " ".join(THREAD_OF.format(n=n) for n in range(len(places)))
    variables: dict[str, object] = {"few": FEW}
    for n, (owner, name, number) in enumerate(places):
        variables |= {f"o{n}": owner, f"n{n}": name, f"i{n}": number}
    return f"query Inbox($few: Int!{declared}) {{ {asked} }}" + ISSUE, variables


def messages(thread: Thread, posts: Iterable[Post], me: str, read_until: datetime | None, unread: bool | None) -> list[Message]:
    """The thread's posts that say something, oldest first; `posts` are all but the opening one.

    `me` is the viewer's login. `unread` is None where GitHub does not tell; what is later than `read_until` is then what is unread.
    """
    found = [_message(thread, thread, me, thread.title)]
    found += [_message(thread, post, me, None) for post in posts if _shows(post)]
    found.sort(key=lambda message: message.sent_at)
    if unread is None:
        return found
    return [msgspec.structs.replace(one, unread=unread and _is_new(one, me, read_until)) for one in found]


def head(thread: Thread, found: Iterable[Message]) -> ConversationHead:
    """The thread as a whole."""
    people: dict[str, Participant] = {}
    latest = instant(thread.updated_at) or datetime.fromtimestamp(0, UTC)
    for one in found:
        for each in one.participants:
            people.setdefault(each.address.casefold(), msgspec.structs.replace(each, role="MEMBER"))
    return ConversationHead(
        key=thread.id,
        kind="POST",
        last_activity_at=latest,
        subject=f"{short(thread.title)} ({short(thread.place)})",
        participants=tuple(people.values()),
        url=web(thread.url),
    )


def statement(thread: Thread, posts: Iterable[Post], reviews: Iterable[Post]) -> Statement:
    """What GitHub says that the thread holds: its own counts, and of reviews, most of which are empty, those with a text."""
    every = [thread, *posts]
    keys = frozenset(post.id for post in every if post is thread or _shows(post))
    hidden = sum(1 for post in every if post is not thread and post.deleted_at is not None)
    expected = 1 + (thread.comments.total_count if thread.comments is not None else 0)
    expected += sum(post.replies.total_count for post in every if post.replies is not None)
    for review in reviews:
        if review.state != UNSENT:
            expected += bool(review.body.strip()) + (review.comments.total_count if review.comments is not None else 0)
    return Statement(container=thread.id, kind="MESSAGE", expected=max(0, expected - hidden), keys=keys)


def people(posts: Iterable[Post]) -> Iterator[Actor]:
    """Who wrote, programs and deleted accounts left out."""
    return (post.author for post in posts if post.author is not None and post.author.kind == "User" and not post.author.is_viewer)


def _shows(post: Post) -> bool:
    """A review without words is an approval or the frame of its remarks; what was deleted leaves an empty place."""
    if post.deleted_at is not None or post.state == UNSENT:
        return False
    return post.state is None or bool(post.body.strip())


def _is_new(one: Message, me: str, read_until: datetime | None) -> bool:
    mine = any(p.role == "FROM" and p.address.casefold() == me.casefold() for p in one.participants)
    return not mine and (read_until is None or one.sent_at > read_until)


def _message(thread: Thread, post: Post, me: str, title: str | None) -> Message:
    """To whom it goes: whoever opened the thread, and the viewer where they are named."""
    text = long(post.body)
    author = post.author
    sender = author.login.casefold() if author is not None else ""
    to = [] if thread.author is None or thread.author.login.casefold() == sender else [participant(thread.author, "TO")]
    named = {name.casefold() for name in _MENTION.findall(text)}
    if me.casefold() in named - {sender} and all(one.address.casefold() != me.casefold() for one in to):
        to.append(Participant(role="TO", address=me, kind="HANDLE", provider="github"))
    automated = author is not None and author.automated
    return Message(
        key=post.id,
        sent_at=instant(post.submitted_at or post.created_at) or datetime.fromtimestamp(0, UTC),
        container=thread.id,
        conversation_key=thread.id,
        conversation_kind="POST",
        internet_message_id=post.id,  # unique everywhere, and what answers name
        references=(post.reply_to.id,) if post.reply_to is not None else (),
        edited_at=instant(post.last_edited_at),
        subject=f"{short(title)} ({short(thread.place)})" if title is not None else None,
        text=text,
        body_state="AVAILABLE" if text else "EMPTY",
        participants=((participant(author, "FROM"),) if author is not None else ()) + tuple(to),
        category="NOTIFICATION" if automated else "PERSONAL",
        category_reason="A program wrote it." if automated else "Somebody wrote it in a thread that you take part in.",
        authentication="NOT_CHECKED",
        url=web(post.url),
    )
