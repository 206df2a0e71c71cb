"""What the gateways are asked, what the upstream has, and what the right answer is: the workload of the Node and Rust field's own
benchmark (100 posts of 10 users, as JSONPlaceholder serves them), with made-up text.
"""

from __future__ import annotations

import json
import random
from typing import Any, Final

USERS: Final = 10
POSTS: Final = 100
#: The three operations; the second is the N+1 case: one call for the posts, then one for each of their ten users.
QUERIES: Final[dict[str, str]] = {
    "posts": "{posts{title}}",
    "posts with user": "{posts{id userId title user{id name email}}}",
    "greet": "{greet}",
}
GREETING: Final = "Hello World!"
_WORDS: Final = [
    "amber", "basin", "cedar", "dune", "ember", "fjord", "grove", "harbour", "inlet", "juniper", "knoll", "lagoon", "meadow", "north",
    "orchard", "prairie", "quarry", "ridge", "summit", "tundra",
]  # fmt: skip
_NAMES: Final = ("Ada", "Bela", "Cleo", "Dario", "Edda", "Femi", "Greta", "Hanno", "Imre", "Juno")


def posts() -> list[dict[str, Any]]:
    """Some 25 KB as the upstream writes it."""
    chance = random.Random(7)
    return [
        {
            "userId": (number - 1) // (POSTS // USERS) + 1,
            "id": number,
            "title": " ".join(chance.choices(_WORDS, k=chance.randint(4, 9))),
            "body": "\n".join(" ".join(chance.choices(_WORDS, k=7)) for _ in range(4)),
        }
        for number in range(1, POSTS + 1)
    ]


def users() -> list[dict[str, Any]]:
    """With the fields that nobody asks for."""
    return [
        {
            "id": number,
            "name": f"{name} Example",
            "username": f"{name.lower()}{number}",
            "email": f"{name.lower()}@people.example",
            "address": {
                "street": "Long Lane",
                "suite": f"Apt. {number}",
                "city": "Sampleton",
                "geo": {"lat": "1.5", "lng": "-2.5"},
            },
            "phone": f"1-555-01{number:02d}",
            "website": f"{name.lower()}.example",
            "company": {"name": f"{name} & Co", "catchPhrase": "Everything by example", "bs": "sample things"},
        }
        for number, name in enumerate(_NAMES, start=1)
    ]


def documents() -> dict[str, bytes]:
    """The upstream's files by path."""
    found = {"/posts": json.dumps(posts(), indent=2).encode()}
    return found | {f"/users/{user['id']}": json.dumps(user, indent=2).encode() for user in users()}


def answers() -> dict[str, dict[str, Any]]:
    """The `data` that each operation has to be answered with."""
    by_id = {user["id"]: {key: user[key] for key in ("id", "name", "email")} for user in users()}
    return {
        "posts": {"posts": [{"title": post["title"]} for post in posts()]},
        "posts with user": {
            "posts": [{key: post[key] for key in ("id", "userId", "title")} | {"user": by_id[post["userId"]]} for post in posts()]
        },
        "greet": {"greet": GREETING},
    }
