"""Which contacts a common value joins: everybody who uses it while they agree, the side it speaks for when they do not.

A private address, a mobile number, a profile that the viewer wrote down, profiles that claim each other, and what the open web proves
(`ties.py`) are proof. Whoever could have written the value without owning it proves nothing: a link or `mailto:` in a public profile,
a name, a photo. As soon as those who use a value have names that contradict, it is shared, and joins at most those of its users whose
full names agree and for whom it speaks; what it had joined before falls apart. Of two whom the viewer joined no name contradicts the
other; of a value whose users the viewer parted nobody knows whose it is, so that it joins a newcomer only by the name as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Final, Literal

import msgspec

from resolvers.identity import addresses, profiles
from resolvers.identity.cards import Address, Facts, Value, ValueKind
from resolvers.identity.mailboxes import mailbox, says_a_relative, speaks_for, stem
from resolvers.identity.names import Likeness, folded
from resolvers.identity.ties import Path, Ring, Tie, rings
from resolvers.identity.verdicts import Decisions, Pair
from resolvers.identity.vetoes import birthdays_differ, generations, likeness

MAX_USERS: Final = 25  # more contacts than this with one value: nobody's own
MAX_SPELLINGS: Final = 8  # of one person's name on more cards than that
# log-odds of each kind of proof, by which stronger edges are applied first
WEIGHTS: Final = {"PROFILE": 11.5, "LINKS": 10.4, "TIE": 10.0, "EMAIL": 9.2, "PHONE": 8.1, "HOUSE_PHONE": 6.2}
LEAST_USER: Final = 5  # letters of a user name by which it is known again
STEP: Final = 0.3  # what each further link of a chain takes away

ProofKind = Literal["EMAIL", "PHONE", "PROFILE", "LINKS", "TIE"]
Grade = Callable[[Facts, Facts], Likeness]


class Edge(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """Why two contacts belong together. `value` is what they share; for LINKS the two profiles that claim each other.

    For a TIE it is the first address of its `path`.
    """

    strength: float
    left: str
    right: str
    kind: ProofKind
    value: str
    path: Path | None = None


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """A value that several people use, and who."""

    kind: str
    value: str
    users: tuple[str, ...]


def edges_of(
    facts: Mapping[str, Facts], said: Decisions | None = None, ties: Iterable[Tie] = ()
) -> tuple[list[Edge], list[Shared]]:
    """All proof among these contacts, strongest first, and the values that stopped being proof."""
    grade = _grading(facts, said or Decisions())
    never = said.never if said is not None else frozenset()
    users: dict[tuple[ValueKind, str], list[tuple[Facts, Value]]] = defaultdict(list)
    for contact_id in sorted(facts):
        one = facts[contact_id]
        for value in one.values:
            users[value.kind, value.key].append((one, value))
    edges: list[Edge] = []
    shared: list[Shared] = []
    for (kind, key), found in users.items():
        if len(found) < 2:
            continue
        if kind == "PROFILE":
            made, contested = _profile(key, found, grade)
        else:
            made, contested = _address(kind, key, found, grade)
            made = _undisputed(made, {f.id: f for f, _ in found}, grade, never) if never else made
        edges += made
        if contested:
            shared.append(Shared(kind=kind, value=key, users=tuple(f.id for f, _ in found)))
    for ring in rings(facts, ties):
        made = _tied(ring, grade)
        edges += _undisputed(made, {f.id: f for f in ring.users}, grade, never) if never else made
    bridges = _bridges(users, grade)
    kept = [e for e in _without_hubs(edges, facts, grade) if bridges.isdisjoint((e.left, e.right))]
    # two profiles that name each other are met from both sides
    return sorted(set(kept), key=lambda e: (-e.strength, e.left, e.right, e.kind, e.value)), shared


def _address(kind: ValueKind, key: str, found: Sequence[tuple[Facts, Value]], grade: Grade) -> tuple[list[Edge], bool]:
    """E-mail addresses and phone numbers."""
    if not all(value.private for _, value in found):
        return [], True
    if len(found) > MAX_USERS:
        copies = _copies(kind, key, found, grade)
        return copies, not copies
    users = [facts for facts, value in found if value.basis != "CLAIMED" and not facts.nobody]
    if len(users) < 2:
        return [], any(facts.nobody for facts, _ in found)
    line = "MOBILE" if any(v.detail == "MOBILE" for _, v in found) else found[0][1].detail
    contested = any(facts.nobody in ("COUPLE", "SEVERAL") and kind == "EMAIL" and facts.nobody == "SEVERAL" for facts, _ in found)
    grades = {(a.id, b.id): grade(a, b) for n, b in enumerate(users) for a in users[:n]}
    contested = contested or _contested(users, grades)
    if not contested:
        least = Likeness.COMPATIBLE if line == "EITHER" else Likeness.SILENT
        strength = WEIGHTS["EMAIL"] if kind == "EMAIL" else WEIGHTS["PHONE"] if line == "MOBILE" else WEIGHTS["HOUSE_PHONE"]
        least = min(least, Likeness.UNSURE) if least == Likeness.SILENT else least
        known = {f.id: f for f in users}
        if kind == "EMAIL" and _a_house(key, users):
            # Byron Jr. and a Byron who does not say which of the two he is
            grades = {(a, b): found for (a, b), found in grades.items() if _one_generation(known[a], known[b])}
            least = Likeness.PARTLY if _relatives(key, users) else least
        return [
            _edge(kind, key, a, b, strength + _voice(kind, key, known[a], known[b]))
            for (a, b), found_grade in grades.items()
            if found_grade >= least
        ], False
    return _sides(kind, key, users, grades), True


def _copies(kind: ValueKind, key: str, found: Sequence[tuple[Facts, Value]], grade: Grade) -> list[Edge]:
    """The edges of a value that a crowd has which is one person many times over, as an import that ran again and again leaves them: all
    are called in full by one name. Each goes with the first, since every two would be as many edges as there are pairs."""
    if any(f.nobody or v.basis == "CLAIMED" or not any(n.full for n in f.names) for f, v in found):
        return []
    spelled = {(f.names, f.birthday): f for f, _ in found}
    if len(spelled) > MAX_SPELLINGS or any(grade(a, b) < Likeness.AGREES for a, b in combinations(spelled.values(), 2)):
        return []
    first, *others = (f.id for f, _ in found)
    strength = WEIGHTS["EMAIL" if kind == "EMAIL" else "HOUSE_PHONE"]
    return [_edge(kind, key, first, other, strength) for other in others]


def _a_house(key: str, users: Sequence[Facts]) -> bool:
    """Whether an address may be that of a family: it does not say who of them has it."""
    box = mailbox(key)
    return box is not None and all(speaks_for(box.local, name) < 2 for f in users for name in f.names)


def _one_generation(a: Facts, b: Facts) -> bool:
    return not (a.names and b.names) or generations(a.names) == generations(b.names)


def _relatives(key: str, users: Sequence[Facts]) -> bool:
    """Whether an address says another given name than those who have it, and their family name: it may be their husband's."""
    box = mailbox(key)
    return box is not None and any(says_a_relative(box.local, name) for f in users for name in f.names)


def _contested(users: Sequence[Facts], grades: Mapping[tuple[str, str], Likeness]) -> bool:
    """Whether two users have names that contradict, or names of which nobody shows that they are one person's."""
    if any(grade == Likeness.CONTRADICTS for grade in grades.values()):
        return True
    known = {f.id: f.id for f in users}

    def root(contact_id: str) -> str:
        while known[contact_id] != contact_id:
            contact_id = known[contact_id]
        return contact_id

    for (a, b), grade in grades.items():
        if grade >= Likeness.PARTLY:
            known[root(a)] = root(b)
    return any(grade == Likeness.UNSURE and root(a) != root(b) for (a, b), grade in grades.items())


def _grade(a: Facts, b: Facts) -> Likeness:
    if birthdays_differ(a.birthday, b.birthday):
        return Likeness.CONTRADICTS
    return likeness(a, b)


def _grading(facts: Mapping[str, Facts], said: Decisions) -> Grade:
    """How two contacts stand to each other, where those whom the viewer joined go by each other's names as well."""
    if not said.always:
        return _grade
    known: dict[str, list[Facts]] = {}
    for one, other in said.always:
        if one in facts and other in facts:
            known.setdefault(one, [facts[one]]).append(facts[other])
            known.setdefault(other, [facts[other]]).append(facts[one])

    def grade(a: Facts, b: Facts) -> Likeness:
        return max(_grade(x, y) for x in known.get(a.id, (a,)) for y in known.get(b.id, (b,)))

    return grade


def _undisputed(edges: Sequence[Edge], users: Mapping[str, Facts], grade: Grade, never: frozenset[Pair]) -> list[Edge]:
    """The edges of a value without those that would give a newcomer to one of two whom the viewer parted, but for a name that only
    this one has. Newcomers go together by their names as well, else one would take the other along."""
    parted: dict[str, set[str]] = defaultdict(set)
    for one, other in never:
        if one in users and other in users:
            parted[one].add(other)
            parted[other].add(one)

    def belongs(newcomer: str, to: str) -> bool:
        if newcomer in parted:
            return True
        here = users[newcomer]
        rivals = (grade(here, users[rival]) for rival in parted.get(to, ()))
        return grade(here, users[to]) >= Likeness.AGREES and all(other < Likeness.COMPATIBLE for other in rivals)

    if not parted:
        return list(edges)
    return [e for e in edges if belongs(e.left, e.right) and belongs(e.right, e.left)]


def _sides(kind: ValueKind, key: str, users: Sequence[Facts], grades: Mapping[tuple[str, str], Likeness]) -> list[Edge]:
    """What a contested value still joins: those with one full name, if it is theirs and no more than two people's."""
    full = [f for f in users if any(n.full for n in f.names)]
    sides: list[list[Facts]] = []
    for facts in full:
        side = next((s for s in sides if all(_of(grades, facts, other) >= Likeness.AGREES for other in s)), None)
        if side is None:
            sides.append([facts])
        else:
            side.append(facts)
    if len(sides) > 2:
        return []
    if len(sides) > 1 and any(_namesakes(f, other) for f in sides[0] for other in sides[1]):
        # of a father and a son of one name nobody knows whose it is who says no more than the name
        one, two = sides
        sides = [
            [f for f in side if not any(_of(grades, f, other) >= Likeness.AGREES for other in rivals)]
            for side, rivals in ((one, two), (two, one))
        ]
    if kind == "EMAIL":
        box = mailbox(key)
        spoken_for = [max((speaks_for(box.local, n) for f in side for n in f.names), default=0) if box else 0 for side in sides]
        best = max(spoken_for, default=0)
        if best < 2 or spoken_for.count(best) > 1:
            return []
        sides = [side for side, said in zip(sides, spoken_for, strict=True) if said == best]
    strength = WEIGHTS["EMAIL" if kind == "EMAIL" else "HOUSE_PHONE"] - 1
    return [_edge(kind, key, a.id, b.id, strength) for side in sides for n, b in enumerate(side) for a in side[:n]]


def _namesakes(a: Facts, b: Facts) -> bool:
    return not {folded(name) for name in a.names if name.full}.isdisjoint(folded(name) for name in b.names)


def _of(grades: Mapping[tuple[str, str], Likeness], a: Facts, b: Facts) -> Likeness:
    return grades[(a.id, b.id) if (a.id, b.id) in grades else (b.id, a.id)]


def _profile(
    key: str,
    found: Sequence[tuple[Facts, Value]],
    grade: Grade,
) -> tuple[list[Edge], bool]:
    """Profiles: that the viewer wrote them down, or that both sides claim each other."""
    if len(found) > MAX_USERS * 4:
        return [], True
    edges = []
    known = [(f, v) for f, v in found if v.basis in ("OWN", "CHECKED", "WRITTEN") and not f.nobody]
    if profiles.named_by_domain(key):
        # an account knows a profile once: two of its contacts with one domain had it one after the other
        owners = [f.account for f, v in known if v.basis == "OWN"]
        if len(set(owners)) < len(owners):
            return [], True
    names = [f for f, v in known if v.basis == "WRITTEN"]
    contested = len(known) > MAX_USERS or any(
        likeness(a, b) == grade(a, b) == Likeness.CONTRADICTS for n, a in enumerate(names) for b in names[:n]
    )
    for n, (b, w) in enumerate(known):
        for a, v in known[:n]:
            if v.basis == w.basis == "WRITTEN" and not (v.private and w.private):
                continue  # a page that stands on two cards may be their employer's
            if v.basis == w.basis == "OWN" and a.account == b.account:
                # each list of an account has a profile once: a second time with another name may be a handle that somebody else
                # took over. Followers, talks and the like are different lists, some of which say no name.
                if grade(a, b) >= (Likeness.SAME if a.kind == b.kind else Likeness.SILENT):
                    edges.append(_edge("PROFILE", key, a.id, b.id, WEIGHTS["PROFILE"]))
                continue
            least = Likeness.AGREES if contested else Likeness.SILENT if {v.basis, w.basis} == {"WRITTEN"} else Likeness.UNSURE
            if grade(a, b) >= least:
                edges.append(_edge("PROFILE", key, a.id, b.id, WEIGHTS["PROFILE"]))
    # one's own profile, which another one claims, and which claims that one back
    for owner, value in found:
        if value.basis != "OWN" or owner.nobody:
            continue
        claimed = {v.key for v in owner.values if v.kind == "PROFILE" and v.basis == "CLAIMED"}
        for other, back in found:
            if back.basis != "CLAIMED" or other.id == owner.id or other.nobody:
                continue
            theirs = [v.key for v in other.values if v.kind == "PROFILE" and v.basis == "OWN" and v.key in claimed]
            if theirs and _by_one_hand(grade(owner, other), (owner, key), (other, theirs[0])):
                low, high = sorted((key, theirs[0]))
                edges.append(_edge("LINKS", f"{low} {high}", owner.id, other.id, WEIGHTS["LINKS"]))
    return list(dict.fromkeys(edges)), contested


def _by_one_hand(grade: Likeness, *sides: tuple[Facts, str]) -> bool:
    """Whether two profiles that name each other may be one person's. Partners name each other too: where the names do not tell, the
    user names have to go together, or one has to say the other's name."""
    return grade > Likeness.UNSURE or (grade == Likeness.UNSURE and _users_go_together(*sides))


def _users_go_together(*sides: tuple[Facts, str]) -> bool:
    (one, here), (other, there) = ((facts, key.rpartition("/")[2].lstrip("@")) for facts, key in sides)
    short, long = sorted((stem(here), stem(there)), key=len)
    if len(short) >= LEAST_USER and long.startswith(short):
        return True
    return any(speaks_for(here, name) for name in other.names) or any(speaks_for(there, name) for name in one.names)


def _without_hubs(edges: Sequence[Edge], facts: Mapping[str, Facts], grade: Grade) -> list[Edge]:
    """The edges without links to a profile that names, and is named by, people who can hardly be one: a company's, a club's."""
    partners: dict[str, set[str]] = defaultdict(set)
    for edge in edges:
        if edge.kind == "LINKS":
            partners[edge.left].add(edge.right)
            partners[edge.right].add(edge.left)

    def strangers(one: str, other: str) -> bool:
        found = grade(facts[one], facts[other])
        if other in partners[one] or found >= Likeness.COMPATIBLE:
            return False
        if found < Likeness.SILENT or not _networks(facts[one]).isdisjoint(_networks(facts[other])):
            return True
        known = [(facts[contact_id], key) for contact_id in (one, other) for key in _own_profiles(facts[contact_id])[:1]]
        return found == Likeness.SILENT and len(known) > 1 and not _users_go_together(*known)

    hubs = {
        hub
        for hub, near in partners.items()
        if len(near) > 1 and (len(near) > MAX_USERS or any(strangers(a, b) for a, b in combinations(sorted(near), 2)))
    }
    return [
        e
        for e in edges
        if e.kind != "LINKS" or hubs.isdisjoint((e.left, e.right)) or grade(facts[e.left], facts[e.right]) >= Likeness.AGREES
    ]


def _networks(facts: Facts) -> set[str]:
    if facts.network:
        return {facts.network}
    return {host for key in _own_profiles(facts) if (host := key.rpartition("/")[0])}


def _own_profiles(facts: Facts) -> list[str]:
    return [v.key for v in facts.values if v.kind == "PROFILE" and v.basis == "OWN"]


def _bridges(users: Mapping[tuple[ValueKind, str], Sequence[tuple[Facts, Value]]], grade: Grade) -> set[str]:
    """Cards without a name that carry the private values of people whose names contradict, of which no one alone says its owner: they may
    be either's, or both's."""
    near: dict[str, list[tuple[bool, list[Facts]]]] = defaultdict(list)
    for (kind, key), found in users.items():
        if kind == "PROFILE" or not 1 < len(found) <= MAX_USERS or all(f.names for f, _ in found):
            continue
        named = [f for f, v in found if f.names and not f.nobody and v.private and v.basis != "CLAIMED"]
        if named and not any(grade(a, b) == Likeness.CONTRADICTS for a, b in combinations(named, 2)):
            said = any(_voice(kind, key, f, f) > 0 for f in named)
            for facts, _ in found:
                if not facts.names:
                    near[facts.id].append((said, named))
    return {
        contact_id
        for contact_id, sides in near.items()
        if any(
            said == says and any(grade(a, b) == Likeness.CONTRADICTS for a in ours for b in theirs)
            for (said, ours), (says, theirs) in combinations(sides, 2)
        )
    }


def _tied(ring: Ring, grade: Grade) -> list[Edge]:
    """Those who hang together by what the open web proves, while their names can be one person's; else those of one full name."""
    grades = {(a.id, b.id): grade(a, b) for n, b in enumerate(ring.users) for a in ring.users[:n]}
    contested = any(found == Likeness.CONTRADICTS for found in grades.values())
    known = {f.id: f for f in ring.users}
    return [
        Edge(
            strength=WEIGHTS["TIE"] - STEP * (len(path.keys) - 2),
            left=one,
            right=other,
            kind="TIE",
            value=path.keys[0],
            path=path,
        )
        for (one, other), path in ring.paths.items()
        if grades[one, other] >= (Likeness.AGREES if contested else _least(path, known[one], known[other]))
    ]


def _least(path: Path, one: Facts, other: Facts) -> Likeness:
    """How well the names of two have to agree whom a chain ties: who has only a site on their card may have their employer's, as surely
    has who works there, and whose other side is called as the site is."""
    first, last = path.ends
    if max(first.doubt, last.doubt) > 1 or _called_as(other, first) or _called_as(one, last):
        return Likeness.COMPATIBLE
    return Likeness.UNSURE


def _called_as(facts: Facts, address: Address) -> bool:
    """Whether somebody goes by the name of a site, as a company's account does."""
    site = addresses.called(address.key) if address.doubt else ""
    return any("".join(word.text for word in name.words) == site for name in facts.names)


def _edge(kind: ProofKind, value: str, a: str, b: str, strength: float) -> Edge:
    left, right = sorted((a, b))
    return Edge(strength=strength, left=left, right=right, kind=kind, value=value)


def _voice(kind: ValueKind, key: str, a: Facts, b: Facts) -> float:
    """What an address adds that says a name of those who have it: it goes before one that was added by mistake."""
    box = mailbox(key) if kind == "EMAIL" else None
    return 0.1 * max((speaks_for(box.local, name) for name in (*a.names, *b.names)), default=0) if box is not None else 0.0
