"""`kith resolve`: a file of contacts in, groups and ranked suggestions out, and the reasons in sentences."""

from __future__ import annotations

import csv
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from gateway.cli import command, frame
from resolvers.identity.cards import Card, CardAddress, CardName, CardOrganization
from tests.identity.town import build

command.register()


def run(*arguments: str | Path) -> tuple[int, str, BaseException | None]:
    done = CliRunner().invoke(frame.app, ["resolve", *map(str, arguments)])
    return done.exit_code, done.output, done.exception


def written(folder: Path, cards: list[Card]) -> Path:
    path = folder / "contacts.jsonl"
    path.write_bytes(b"\n".join(msgspec.json.encode(card) for card in cards))
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_each_contact_has_one_group_named_by_its_smallest_contact(tmp_path: Path) -> None:
    town = build(3, 40)
    status, _, _ = run(written(tmp_path, town.cards), "--clusters", tmp_path / "c.csv", "--suggestions", tmp_path / "s.csv")
    assert status == 0
    groups: dict[str, list[str]] = {}
    for row in rows(tmp_path / "c.csv"):
        groups.setdefault(row["person_id"], []).append(row["contact_id"])
    assert sorted(c for g in groups.values() for c in g) == sorted(town.truth)
    assert all(label == min(members) for label, members in groups.items())


def test_suggestions_put_the_same_person_first_and_the_impostor_last(tmp_path: Path) -> None:
    town = build(3, 60)
    run(written(tmp_path, town.cards), "--clusters", tmp_path / "c.csv", "--suggestions", tmp_path / "s.csv")
    listed = rows(tmp_path / "s.csv")
    assert [float(r["score"]) for r in listed] == sorted((float(r["score"]) for r in listed), reverse=True)
    first = listed[:15]
    assert sum(town.truth[r["a"]] == town.truth[r["b"]] for r in first) >= 13
    spoofs = {c for c, person in town.truth.items() if person.endswith("-spoof")}
    assert not any({r["a"], r["b"]} & spoofs and town.truth[r["a"]].endswith(("-victim", "-spoof")) for r in first)


def test_the_order_of_the_lines_changes_nothing(tmp_path: Path) -> None:
    town = build(5, 30)
    for name, cards in (("one", town.cards), ("two", town.cards[::-1])):
        (tmp_path / name).mkdir()
        run(written(tmp_path / name, cards), "--clusters", tmp_path / name / "c.csv", "--suggestions", tmp_path / name / "s.csv")
    for file in ("c.csv", "s.csv"):
        assert (tmp_path / "one" / file).read_text() == (tmp_path / "two" / file).read_text()


def test_accepting_joins_what_is_likely_enough(tmp_path: Path) -> None:
    def one(contact_id: str, network: str, handle: str) -> Card:
        name, work = (CardName(full="Thorvald Quintana"),), (CardOrganization(name="Lantern Labs"),)
        return Card(
            id=contact_id, account=network, network=network, kind="CONNECTION", names=name, organizations=work, handles=(handle,)
        )

    people = [c for c in build(5, 30).cards if c.kind == "ADDRESS_BOOK"]
    path = written(
        tmp_path, [one("x1", "linkedin", "linkedin:thorvald-quintana"), one("x2", "github", "github:thorvaldquintana"), *people]
    )

    def of(*more: str) -> dict[str, str]:
        run(path, "--clusters", tmp_path / "c.csv", *more)
        return {r["contact_id"]: r["person_id"] for r in rows(tmp_path / "c.csv")}

    assert of()["x2"] == "x2"
    assert of("--accept", "0.9")["x2"] == "x1"


def test_accepting_forgives_a_slip_in_a_birthday_and_no_other_birthday(tmp_path: Path) -> None:
    def one(contact_id: str, birthday: str) -> Card:
        street = CardAddress(street="12 Quay", city="Harbour")
        return Card(id=contact_id, names=(CardName(full="Thorvald Quintana"),), birthday=birthday, addresses=(street,))

    people = [c for c in build(5, 30).cards if c.kind == "ADDRESS_BOOK"]
    path = written(tmp_path, [one("x1", "1971-06-24"), one("x2", "1971-05-24"), one("x3", "1948-11-02"), *people])
    run(path, "--clusters", tmp_path / "c.csv", "--accept", "0.02")
    of = {r["contact_id"]: r["person_id"] for r in rows(tmp_path / "c.csv")}
    assert (of["x2"], of["x3"]) == ("x1", "x3")


def test_the_reasons_are_sentences(tmp_path: Path) -> None:
    path = written(tmp_path, [
        Card(id="a", names=(CardName(full="Ada Byron"),), emails=("ada@harbour.example",), phones=("07700 900123",)),
        Card(id="b", kind="CORRESPONDENT", names=(CardName(full="A. Byron"),), emails=("ADA@harbour.example",)),
        Card(id="s", kind="CORRESPONDENT", names=(CardName(full="Ada Byron"),), emails=("ada@harbour.example.co",)),
    ])  # fmt: skip
    status, output, _ = run(path, "--explain", "a", "b")
    assert status == 0
    assert "a and b are one person." in output
    assert "The card carries ada@harbour.example, from which the messages came." in output
    _, output, _ = run(path, "--explain", "a", "s")
    assert "a and s are not joined." in output
    assert "only look alike" in output


def test_nearly_the_same_picture_is_said_and_joins_nobody(tmp_path: Path) -> None:
    path = written(tmp_path, [
        Card(id="a", names=(CardName(full="Ada Byron"),), photo_sha256="1" * 64, photo_dhash="3c5a1e8f00ff96a1"),
        Card(id="b", names=(CardName(full="Ada Byron"),), photo_sha256="2" * 64, photo_dhash="3c5a1e8f00ff96a2"),
        Card(id="c", names=(CardName(full="Ada Byron"),), photo_dhash="0000000000000001"),
        Card(id="d", names=(CardName(full="Ada Byron"),), photo_dhash="0000000000000001"),
    ])  # fmt: skip
    for one, other, same in (("a", "b", True), ("a", "c", False), ("c", "d", False)):
        _, output, _ = run(path, "--explain", one, other)
        assert f"{one} and {other} are not joined." in output
        assert ("same photo" in output) == same, (one, other)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"id": "a"}\n{"id": ', "line 2"), ('{"id": "a"}\n{"id": "a"}', "line 2: a second contact"), ('{"names": []}', "line 1"),
        ('{"id": "a", "kind": "FRIEND"}', "line 1"), ('{"id": "a", "photo_dhash": "no look"}', "line 1"),
    ],
)  # fmt: skip
def test_a_bad_file_is_named_with_its_line_and_nothing_is_written(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "bad.jsonl").write_text(text)
    status, _, error = run(tmp_path / "bad.jsonl", "--clusters", tmp_path / "c.csv")
    assert status != 0
    assert says in str(error)
    assert not (tmp_path / "c.csv").exists()


def test_no_file_and_no_contact_are_said(tmp_path: Path) -> None:
    assert "No such file" in str(run(tmp_path / "none.jsonl")[2])
    path = written(tmp_path, [Card(id="a")])
    assert "has the id zz" in str(run(path, "--explain", "a", "zz")[2])
