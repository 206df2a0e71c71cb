"""A stub of GitHub, held to the GraphQL schema and the OpenAPI description in tests/contracts/github.

Each query is validated and executed by graphql-core against the schema, and priced as GitHub documents it; each REST request and answer
is held to the description. It keeps people, organisations, repositories, threads and notifications, counts calls in the hour's window,
and takes every call beyond it for a violation.
"""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import graphql
from graphql import GraphQLError, GraphQLResolveInfo
from graphql.language import ast

from tests.providers.open_api import Description
from tests.providers.stub_http import Answer, Request

CONTRACTS = Path(__file__).parent.parent / "contracts" / "github"
SCOPES = frozenset({"read:user", "user:email", "read:org", "notifications"})
#: What GitHub may leave out of a profile or a post.
OPTIONAL = frozenset({"name", "bio", "company", "location", "websiteUrl", "twitterUsername", "lastEditedAt"})
NEEDS = {"organizations": "read:org", "email": "read:user"}
MOST = 1000  # results that a search ever gives

Item = dict[str, Any]
Info = GraphQLResolveInfo[Any]


def refused(kind: str, message: str, **extensions: Any) -> GraphQLError:
    return GraphQLError(message, extensions={"type": kind, **extensions})


class GitHub:
    """One account. `now` tells the time (POSIX seconds) by which the window of calls is counted: `limit` in `span` seconds."""

    def __init__(self, now: Callable[[], float], seed: int = 0) -> None:
        self.url = ""
        self.schema = graphql.build_schema((CONTRACTS / "schema.graphql").read_text())
        self.rest = Description(CONTRACTS / "rest.json")
        self.random = random.Random(seed)
        self.forgetful = 0.0
        self.now = now
        self.tokens: dict[str, frozenset[str] | None] = {"token-1": SCOPES}  # None: fine-grained
        self.apps: dict[str, str] = {}  # secrets of OAuth apps, by their client ids; all tokens are of each
        self.users: dict[int, Item] = {}
        self.me = self.user(77, "ada", name="Ada Byron", email="ada@example.org")
        self.following: list[int] = []
        self.followers: list[int] = []
        self.organizations: dict[str, list[int]] = {}
        self.walled: set[str] = set()  # organisations with a sign-in of their own
        self.repositories: list[list[int]] = []
        self.threads: dict[str, Item] = {}
        self.hidden: set[str] = set()  # threads that the search does not find
        self.inbox: list[Item] = []
        self.read: list[int] = []  # threads that were marked as read
        self.pause = 60  # seconds between two looks at a list
        self.feeds: dict[str, list[Item]] = {"received_events": [], "events": []}
        self.limit, self.span, self.used, self.window = 5000, 3600.0, 0, now()
        self.calls: list[str] = []
        self.free = 0  # answers 304, which are not counted
        self.troubled: list[Answer] = []
        self.violations: list[str] = []

    # --- what there is ----------------------------------------------------------------------------------------------

    def user(self, number: int, login: str, **fields: Any) -> Item:
        """A person; `accounts` are the social accounts as (provider, url)."""
        accounts = [
            {"provider": kind, "url": url, "displayName": url}
            for kind, url in fields.pop("accounts", ())
        ]  # fmt: skip
        followers = fields.pop("counted", 3)
        self.users[number] = {
            "__typename": "User", "id": f"U_{number}", "databaseId": number, "login": login, "name": f"Person {number}", "email": "",
            "url": f"https://github.com/{login}", "avatarUrl": f"https://avatars.example/u/{number}", "createdAt": "2011-01-25T18:44:36Z",
            "socialAccounts": self._connection(lambda: accounts),
            "followers": self._connection(lambda: [None] * followers),
            "isViewer": number == 77,
            "isFollowingViewer": lambda info: number in self.followers,
            "viewerIsFollowing": lambda info: number in self.following,
            **fields,
        }  # fmt: skip
        return self.users[number]

    def thread(self, number: int, title: str, author: Item | None, at: str, *, kind: str = "Issue", **fields: Any) -> Item:
        """An issue, a pull request or a discussion of acme/boats, updated `at` (MM-DDTHH:MM:SS of 2026)."""
        comments: list[Item] = []
        reviews: list[Item] = []
        moment = f"2026-{at}Z"
        word = {"Issue": "issues", "PullRequest": "pull", "Discussion": "discussions"}[kind]
        found: Item = {
            "__typename": kind, "id": f"{kind}_{number}", "number": number, "title": title, "author": author, "body": f"About {title}.",
            "createdAt": moment, "updatedAt": moment, "url": f"https://github.com/acme/boats/{word}/{number}",
            "repository": {"nameWithOwner": "acme/boats"}, "comments": self._connection(lambda: comments), "comment_list": comments,
            "reviews": self._connection(lambda: reviews), "review_list": reviews, **fields,
        }  # fmt: skip
        self.threads[found["id"]] = found
        return found

    def comment(self, thread: Item, author: Item | None, body: str, at: str, **fields: Any) -> Item:
        """A comment, which moves its thread up; under a comment of a discussion a reply, under a review a remark."""
        moment = f"2026-{at}Z"
        below = thread.setdefault("comment_list", [])
        number = f"{thread['id']}_{len(below) + 1}"
        replies: list[Item] = []
        made: Item = {
            "id": f"C_{number}", "body": body, "author": author, "createdAt": moment, "url": f"https://github.com/acme/boats/c/{number}",
            "replies": self._connection(lambda: replies), "comment_list": replies, **fields,
        }  # fmt: skip
        below.append(made)
        if "updatedAt" in thread:
            thread["updatedAt"] = max(thread["updatedAt"], moment)
        return made

    def review(self, pull: Item, author: Item, body: str, at: str, state: str = "COMMENTED") -> Item:
        moment = f"2026-{at}Z"
        remarks: list[Item] = []
        made: Item = {
            "id": f"R_{pull['id']}_{len(pull['review_list']) + 1}", "body": body, "author": author, "state": state, "createdAt": moment,
            "submittedAt": None if state == "PENDING" else moment, "url": "https://github.com/acme/boats/r",
            "comments": self._connection(lambda: remarks), "comment_list": remarks,
        }  # fmt: skip
        pull["review_list"].append(made)
        pull["updatedAt"] = max(pull["updatedAt"], moment)
        return made

    def notify(self, thread: Item, read: str | None = None, kind: str = "") -> None:
        """Puts a thread into the inbox, or its news; `read` is up to when it was read."""
        self.inbox = [note for note in self.inbox if note["number"] != thread["number"]]
        self.inbox.insert(
            0, {"number": thread["number"], "updated_at": thread["updatedAt"], "read": read, "kind": kind or thread["__typename"]}
        )

    def event(
        self, kind: str, actor: Item, payload: Item, *, at: str = "05-01T10:00:00", repo: str = "acme/boats", **more: Any
    ) -> Item:
        """Something that somebody did: in the viewer's own list where it was they, else in what they receive."""
        feed = self.feeds["events" if actor is self.me else "received_events"]
        whose = {
            "id": actor["databaseId"],
            "login": actor["login"],
            "gravatar_id": "",
            "url": actor["url"],
            "avatar_url": actor["avatarUrl"],
        }
        made = {
            "id": str(40_000_000_000 + sum(map(len, self.feeds.values()))), "type": kind, "actor": whose, "payload": payload, "public": True,
            "repo": {"id": 1, "name": repo, "url": f"https://api.github.com/repos/{repo}"}, "created_at": f"2026-{at}Z", **more,
        }  # fmt: skip
        feed.insert(0, made)
        return made

    def part(self, schema: str, **given: Any) -> Item:
        """What is required of a part of a payload, with what a test is about."""
        return {**self.rest.example({"$ref": f"#/components/schemas/{schema}"}), **given}

    def keys(self) -> set[str]:
        """The keys of all contacts and messages that the account has."""
        people = {*self.following, *self.followers, *(n for some in self.organizations.values() for n in some)}
        people |= {n for some in self.repositories for n in some}
        return {str(n) for n in people - {77}} | {key for thread in self.threads.values() for key in _posts(thread)}

    # --- answering --------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        if "user-agent" not in request.headers or request.headers.get("x-github-api-version") != "2022-11-28":
            self.violations.append(f"{request.target}: headers")
        if request.path.startswith("/applications/"):
            return self._given_back(request)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens:
            return Answer(401, {"message": "Bad credentials"})
        if self.now() >= self.window + self.span:
            self.window, self.used = self.now(), 0
        if self.used >= self.limit:
            self.violations.append(f"{request.target}: called although nothing was left")
        if self.troubled:
            return self.troubled.pop(0)
        scopes = self.tokens[token]
        self.calls.append(request.path)
        found = self._graphql(request, scopes) if request.path == "/graphql" else self._rest(request, scopes)
        if found.status == 304:
            self.free += 1
        else:
            self.used += 1
        found.headers |= {
            "X-RateLimit-Limit": str(self.limit), "X-RateLimit-Remaining": str(max(0, self.limit - self.used)),
            "X-RateLimit-Used": str(self.used), "X-RateLimit-Reset": str(int(self.window + self.span)),
        }  # fmt: skip
        if scopes is not None:
            found.headers["X-OAuth-Scopes"] = ", ".join(sorted(scopes))
        return found

    def _given_back(self, request: Request) -> Answer:
        """An app ends what a user granted it, with its own secret (rest/apps/oauth-applications)."""
        operation = self.rest.operation(request.method, "/applications/{client_id}/grant")
        if operation is None or len(request.segments) != 3 or request.segments[2] != "grant":
            self.violations.append(f"{request.method} {request.path} is not in the description")
            return Answer(404, {"message": "Not Found"})
        self.violations += self.rest.faults(operation, request)
        body = json.loads(request.body)
        self.rest.check(operation["requestBody"]["content"]["application/json"]["schema"], body, request.path)
        app = request.segments[1]
        pair = base64.b64encode(f"{app}:{self.apps.get(app)}".encode()).decode()
        if app not in self.apps or request.headers.get("authorization") != f"Basic {pair}":
            return Answer(404, {"message": "Not Found"})
        if body["access_token"] not in self.tokens:
            return Answer(422, {"message": "Validation Failed"})
        self.tokens.clear()
        return Answer(204)

    def _rest(self, request: Request, scopes: frozenset[str] | None) -> Answer:
        template = re.sub(r"\A/users/ada/", "/users/{username}/", request.path)
        template = re.sub(r"\A/notifications/threads/[^/]+\Z", "/notifications/threads/{thread_id}", template)
        operation = self.rest.operation(request.method, template)
        if operation is None:
            self.violations.append(f"{request.method} {request.path} is not in the description")
            return Answer(404, {"message": "Not Found"})
        self.violations += self.rest.faults(operation, request)
        if request.method == "PATCH":
            return self._marked(request, scopes)
        schema = self.rest.schema(operation)
        match request.path:
            case "/user":
                body = {**self.rest.example(schema), "id": 77, "login": "ada", "type": "User", "user_view_type": "private",
                        "followers": len(self.followers), "following": len(self.following)}  # fmt: skip
                said = Answer(200, body)
                said.headers["ETag"] = f'W/"{len(self.followers)}-{len(self.following)}"'
                if request.headers.get("if-none-match") == said.headers["ETag"]:
                    return Answer(304)
            case "/user/emails":
                if scopes is None or not scopes & {"user:email", "user"}:
                    return Answer(404, {"message": "Not Found"})
                own = {"primary": True, "verified": True, "visibility": "private", "email": "ada@example.org"}
                said = Answer(200, [own, {**own, "primary": False, "verified": False, "email": "typo@example.org"}])
            case _ if template.startswith("/notifications/threads/"):
                note = self._named(request)
                if scopes is None or not scopes & {"notifications", "repo"}:
                    return Answer(403, {"message": "Resource not accessible by personal access token"})
                if note is None:
                    return Answer(404, {"message": "Not Found"})
                said = Answer(200, self._note(note, schema))
            case _ if template != request.path:
                said = self._events(request)
                if said.status != 200:
                    return said
            case _:
                said = self._notifications(request, scopes, schema)
                if said.status != 200:
                    return said
        self.rest.check(schema, json.loads(said.content), request.path)
        return said

    def _events(self, request: Request) -> Answer:
        feed = self.feeds[request.segments[-1]]
        tag = f'W/"{len(feed)}"'
        if request.headers.get("if-none-match") == tag:
            return Answer(304, None, X_Poll_Interval=str(self.pause))
        size, page = int(request.one("per_page", "30")), int(request.one("page", "1"))
        said = Answer(200, feed[(page - 1) * size : page * size], X_Poll_Interval=str(self.pause))
        said.headers["ETag"] = tag
        if page * size < len(feed):
            said.headers["Link"] = f'<{self.url}{request.path}?page={page + 1}&per_page={size}>; rel="next"'
        return said

    def _notifications(self, request: Request, scopes: frozenset[str] | None, schema: Item) -> Answer:
        if scopes is None:
            return Answer(403, {"message": "Resource not accessible by personal access token"})
        if not scopes & {"notifications", "repo"}:
            return Answer(403, {"message": "Missing the 'notifications' scope."})
        stamp = f"v{hash(json.dumps(self.inbox)) % 10**9}"
        if request.headers.get("if-modified-since") == stamp:
            return Answer(304, None, X_Poll_Interval=str(self.pause))
        size, page = int(request.one("per_page", "50")), int(request.one("page", "1"))
        if size > 50:
            self.violations.append("a page has at most 50 notifications")
        listed = [self._note(note, schema["items"]) for note in self.inbox[(page - 1) * size : page * size]]
        said = Answer(200, listed, X_Poll_Interval=str(self.pause))
        said.headers["Last-Modified"] = stamp
        if page * size < len(self.inbox):
            said.headers["Link"] = f'<{self.url}/notifications?page={page + 1}&per_page={size}>; rel="next"'
        return said

    def _note(self, note: Item, schema: Item) -> Item:
        repository = {
            **self.rest.example(self.rest._resolved(schema)["properties"]["repository"]),
            "full_name": "acme/boats",
        }
        word = {"Issue": "issues", "PullRequest": "pulls"}.get(note["kind"])
        url = f"https://api.github.com/repos/acme/boats/{word}/{note['number']}" if word else "https://api.github.com/x"
        return {
            "id": str(note["number"]), "repository": repository, "reason": "subscribed", "unread": True, "url": "https://api.github.com/n",
            "subject": {"title": "x", "url": url, "latest_comment_url": url, "type": note["kind"]}, "subscription_url": "https://x.example",
            "updated_at": note["updated_at"], "last_read_at": note["read"],
        }  # fmt: skip

    def _named(self, request: Request) -> Item | None:
        return next((note for note in self.inbox if str(note["number"]) == request.segments[-1]), None)

    def _marked(self, request: Request, scopes: frozenset[str] | None) -> Answer:
        """A thread is read: it leaves the inbox (205), or has left it already (304)."""
        if scopes is None or not scopes & {"notifications", "repo"}:
            return Answer(403, {"message": "Resource not accessible by personal access token"})
        note = self._named(request)
        if note is None:
            return Answer(304)
        self.inbox.remove(note)
        self.read.append(note["number"])
        return Answer(205)

    def _graphql(self, request: Request, scopes: frozenset[str] | None) -> Answer:
        asked = json.loads(request.body)
        document, variables = asked["query"], asked["variables"]
        parsed = graphql.parse(document)
        self.violations += [f"{error.message}" for error in graphql.validate(self.schema, parsed)]
        if (price := points(parsed, variables)) != 1:
            self.violations.append(f"{document[:40]} costs {price} points")
        done = graphql.graphql_sync(
            self.schema, document, self._root(), variable_values=variables, field_resolver=self._resolver(scopes)
        )
        body: Item = {"data": done.data}
        if done.errors:
            body["errors"] = [
                {"type": (error.extensions or {}).get("type"), "path": error.path, "message": error.message, "extensions": error.extensions}
                for error in done.errors
            ]  # fmt: skip
            self.violations += [str(error) for error in done.errors if not (error.extensions or {}).get("type")]
        return Answer(200, body)

    def _resolver(self, scopes: frozenset[str] | None) -> Callable[..., Any]:
        def resolve(source: Any, info: Info, **arguments: Any) -> Any:
            if scopes is not None and (need := NEEDS.get(info.field_name)) and need not in scopes:
                text = f"Your token has not been granted the required scopes: the '{info.field_name}' field requires ['{need}']."
                raise refused("INSUFFICIENT_SCOPES", text)
            if self.forgetful and info.field_name in OPTIONAL and self.random.random() < self.forgetful:
                return None
            return graphql.default_field_resolver(source, info, **arguments)

        return resolve

    def _root(self) -> Item:
        by_id = {user["id"]: user for user in self.users.values()} | self.threads
        for thread in self.threads.values():
            for each in (*thread["comment_list"], *thread["review_list"]):
                kind = "DiscussionComment" if thread["__typename"] == "Discussion" else "PullRequestReview"
                by_id[each["id"]] = {**each, "__typename": kind}
        organizations = [
            {
                "__typename": "Organization", "id": f"O_{login}", "databaseId": n, "login": login, "name": login.title(),
                "url": f"https://github.com/{login}", "membersWithRole": self._connection(partial(self._people, some), login),
            }
            for n, (login, some) in enumerate(self.organizations.items())
        ]  # fmt: skip
        by_id |= {each["id"]: each for each in organizations}
        repositories = [{"collaborators": self._connection(partial(self._people, some))} for some in self.repositories]
        viewer = self.me | {
            "following": self._connection(lambda: self._people(self.following)),
            "followers": self._connection(lambda: self._people(self.followers)),
            "organizations": self._connection(lambda: organizations),
            "repositories": self._connection(lambda: repositories),
        }

        def node(info: Info, id: str) -> Item:
            if id not in by_id:
                raise refused("NOT_FOUND", f"Could not resolve to a node with the global id of '{id}'")
            return by_id[id]

        def numbered(info: Info, owner: str, name: str, **_: Any) -> Item:
            return {"issueOrPullRequest": by_number}

        def by_number(info: Info, number: int) -> Item:
            for thread in self.threads.values():
                if thread["number"] == number:
                    return thread
            raise refused("NOT_FOUND", "Could not resolve to an issue or pull request with the number.")

        return {
            "viewer": viewer, "node": node, "nodes": lambda info, ids: [by_id.get(each) for each in ids], "repository": numbered,
            "search": self._search,
        }  # fmt: skip

    def _people(self, numbers: Iterable[int]) -> list[Item]:
        return [self.users[number] for number in numbers]

    def _search(self, info: Info, type: str, query: str, **page: Any) -> Item:
        words = query.split()
        if words[:2] != ["involves:@me", "sort:updated-desc"]:
            self.violations.append(f"search: {query}")
        low, high = "0", "9"
        for word in words[2:]:
            span = re.fullmatch(r"updated:(?:>=([\dTZ:-]+)|<=([\dTZ:-]+)|([\dTZ:-]+)\.\.([\dTZ:-]+))", word)
            if span is None:
                self.violations.append(f"search: {word}")
                continue
            low, high = span[1] or span[3] or low, span[2] or span[4] or high
        kinds = {"ISSUE": ("Issue", "PullRequest"), "DISCUSSION": ("Discussion",)}[type]
        found = [
            thread for thread in self.threads.values()
            if thread["__typename"] in kinds and low <= thread["updatedAt"] <= high and thread["id"] not in self.hidden
        ]  # fmt: skip
        found.sort(key=lambda thread: thread["updatedAt"], reverse=True)
        connection: Item = self._connection(lambda: found[:MOST])(info, **page)
        return connection

    def _connection(self, items: Callable[[], list[Any]], walled: str = "") -> Callable[..., Item]:
        """A field that is a list in pages (GraphQL Cursor Connections), with GitHub's own bounds."""

        def connection(info: Info, first: int | None = None, after: str | None = None, **_: Any) -> Item:
            if walled in self.walled and walled:
                raise refused("FORBIDDEN", "Resource protected by organization SAML enforcement.", saml_failure=True)
            if first is None or not 1 <= first <= 100:
                self.violations.append(f"{info.field_name}: first={first}")
            listed, start = items(), 0
            if after is not None:
                try:
                    start = int(base64.b64decode(after, validate=True).removeprefix(b"cursor:"))
                except ValueError:
                    raise refused("INVALID_CURSOR_ARGUMENTS", f"`{after}` does not appear to be a valid cursor.") from None
            end = min(start + (first or 100), len(listed))
            cursor = base64.b64encode(f"cursor:{end}".encode()).decode()
            return {
                "totalCount": len(listed), "nodes": listed[start:end],
                "pageInfo": {"hasNextPage": end < len(listed), "endCursor": cursor if end > start else None},
            }  # fmt: skip

        return connection


def points(document: ast.DocumentNode, variables: Item) -> int:
    """A query's price (graphql/overview/rate-limits-and-query-limits-for-the-graphql-api): a request for each connection of each
    parent, by a hundred, rounded, and one at least."""
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, ast.FragmentDefinitionNode)}

    def value(node: ast.ValueNode) -> Any:
        return variables.get(node.name.value) if isinstance(node, ast.VariableNode) else graphql.value_from_ast_untyped(node)

    def requests(selections: ast.SelectionSetNode | None, parents: int) -> int:
        total = 0
        for each in selections.selections if selections is not None else ():
            if isinstance(each, ast.FragmentSpreadNode):
                total += requests(fragments[each.name.value].selection_set, parents)
            elif isinstance(each, ast.InlineFragmentNode):
                total += requests(each.selection_set, parents)
            elif isinstance(each, ast.FieldNode):
                given = {argument.name.value: value(argument.value) for argument in each.arguments or ()}
                total += parents if "first" in given else 0
                below = parents * (given["first"] if "first" in given else len(given.get("ids", "1")))
                total += requests(each.selection_set, below)
        return total

    (operation,) = (each for each in document.definitions if isinstance(each, ast.OperationDefinitionNode))
    return max(1, round(requests(operation.selection_set, 1) / 100))


def _posts(thread: Item) -> Iterable[str]:
    yield thread["id"]
    for post in (*thread["comment_list"], *thread["review_list"]):
        if post.get("state") is None or post["body"]:
            yield post["id"]
        yield from (below["id"] for below in post["comment_list"])
