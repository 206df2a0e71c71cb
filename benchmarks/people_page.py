"""The page that is measured: fifty people in the order of their names, with e-mails and three conversations each."""

from __future__ import annotations

from typing import Any, Final

from benchmarks.universe import Written

PEOPLE: Final = 50
CONVERSATIONS: Final = 3
QUERY: Final = """query PeoplePage($people: Int = 50, $conversations: Int = 3) {
  viewer {
    people(first: $people) {
      edges {
        node {
          id
          name
          emails { address }
          conversations(first: $conversations) {
            edges { node { id subject lastActivityAt lastMessage { id snippet sentAt } } }
          }
        }
      }
    }
  }
}
"""
Shown = list[tuple[str, tuple[str, ...], tuple[str, ...]]]


def shown(answer: dict[str, Any]) -> Shown:
    """(name, e-mail addresses, subjects of the latest conversations) of each person of an answer."""
    return [
        (
            edge["node"]["name"],
            tuple(email["address"] for email in edge["node"]["emails"]),
            tuple(conversation["node"]["subject"] for conversation in edge["node"]["conversations"]["edges"]),
        )
        for edge in answer["data"]["viewer"]["people"]["edges"]
    ]


def expected(written: Written, people: int = PEOPLE, conversations: int = CONVERSATIONS) -> Shown:
    """What an honest answer says of a universe."""
    return [
        (p.name, (p.email,), tuple(c.subject for c in written.latest.get(p.number, [])[:conversations]))
        for p in written.page(people)
    ]
