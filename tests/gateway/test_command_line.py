"""`kith` as people type it: what is on stdout, what is said beside it, and with which status it ends."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.cli import main

ROOT = Path(__file__).parent.parent.parent
CARDS = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ada Example\r\nEMAIL:ada@example.org\r\nEND:VCARD\r\nBEGIN:VCARD\r\nVERSION:4.0\r\nFN:Broken\r\n"


Kith = Callable[..., "Done"]


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "kith"


@pytest.fixture
def kith(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Done]]:
    """Runs a command in this process: starting Python anew for each would take most of the test's time."""
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level

    def run(*arguments: str, stdin: str = "", **settings: str) -> Done:
        with monkeypatch.context() as here:
            for name in [name for name in os.environ if name.startswith("KITH_")]:
                here.delenv(name)
            for name, value in {"KITH_HOME": str(home), "COLUMNS": "200", "NO_COLOR": "1", **settings}.items():
                here.setenv(name, value)
            here.setattr(sys, "argv", ["kith", *arguments])
            here.setattr(sys, "stdin", io.StringIO(stdin))
            capsys.readouterr()
            status = 0
            try:
                main()
            except SystemExit as ended:
                status = int(ended.code or 0)
            said = capsys.readouterr()
        return Done(status, said.out, said.err)

    yield run
    logging.getLogger().handlers = handlers
    logging.getLogger().setLevel(level)


def test_a_token_is_alone_on_stdout_and_a_new_viewer_is_made(kith: Kith) -> None:
    made = kith("token", "create", "--viewer", "ada")
    assert made.returncode == 0
    assert re.fullmatch(r"kith_[a-z2-7]{6}_[a-z2-7]{52}\n", made.stdout)
    assert "ada: read, write" in made.stderr
    names = [viewer["name"] for viewer in json.loads(kith("viewers", "list", "--json").stdout)]
    assert names == ["owner", "ada"]


def test_scopes_are_checked_by_name(kith: Kith) -> None:
    made = kith("token", "create", "--scope", "read", "--scope", "admin")
    assert "admin, read" in made.stderr
    refused = kith("token", "create", "--scope", "everything")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "read, write, send, admin" in refused.stderr


def test_viewers_are_added_shut_out_and_let_in_again(kith: Kith) -> None:
    added = kith("viewers", "add", "ben")
    assert re.fullmatch(r"http://127\.0\.0\.1:8000/login/\S+\n", added.stdout)
    assert kith("viewers", "add", "ben").returncode == 1
    assert kith("viewers", "disable", "ben").returncode == 0
    (ben,) = [v for v in json.loads(kith("viewers", "list", "--json").stdout) if v["name"] == "ben"]
    assert ben["disabledAt"]
    assert kith("viewers", "disable", "ben", "--enable").returncode == 0
    assert kith("viewers", "disable", "nobody").returncode == 1
    assert kith("viewers", "add", " / ").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (["serve"], {"KITH_PORT": "x"}, "KITH_PORT"),
        (["serve", "--host", "0.0.0.0"], {}, "KITH_PUBLIC_URL"),
        (["serve", "--workers", "2"], {}, "KITH_REDIS_URL"),
        (["doctor"], {"KITH_SECRET_KEY": "short"}, "KITH_SECRET_KEY"),
        (["link", "carddav", "server=dav.example.org", "username=ada", "password=x"], {}, "secret"),
        (["link", "carddav", "https://dav.example.org", "nonsense"], {}, "NAME=VALUE"),
        (["link", "nonsense"], {}, "carddav"),
        (["query", "--variables", "{"], {}, "JSON"),
        (["query", "missing.graphql"], {}, "missing.graphql"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(kith: Kith, arguments: list[str], settings: dict[str, str], said: str) -> None:
    done = kith(*arguments, **settings)
    assert done.returncode == 2
    assert said in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_import_says_what_became_of_each_file_and_item_and_again_changes_nothing(kith: Kith, tmp_path: Path) -> None:
    cards = tmp_path / "people.vcf"
    cards.write_text(CARDS, newline="")
    first = json.loads(kith("import", str(cards), "--json").stdout)["imports"][0]
    again = json.loads(kith("import", str(cards), "--json").stdout)["imports"][0]
    assert (first["state"], first["created"], first["failed"]) == ("DONE", 1, 1)
    assert (again["created"], again["updated"], again["unchanged"]) == (0, 0, 1)
    assert first["rows"][0]["message"]
    shown = kith("import", str(cards))
    assert "people.vcf" in shown.stdout and "failed" in shown.stderr
    answer = kith("query", "-", stdin="{viewer{people(first:5){edges{node{name}}}}}")
    assert [edge["node"]["name"] for edge in json.loads(answer.stdout)["data"]["viewer"]["people"]["edges"]] == ["Ada Example"]


def test_an_import_of_several_files_shows_what_became_of_each(kith: Kith, tmp_path: Path) -> None:
    for name in ("a.vcf", "b.vcf"):
        (tmp_path / name).write_text(CARDS, newline="")
    shown = kith("import", str(tmp_path / "a.vcf"), str(tmp_path / "b.vcf")).stdout
    assert [line.split() for line in shown.splitlines() if ".vcf " in line][-2:] == [
        ["a.vcf", "1", "0", "0", "0", "1"],
        ["b.vcf", "0", "0", "0", "1", "1"],
    ]


def test_contacts_are_written_to_a_file_whole_or_not_at_all_and_taken_in_again(kith: Kith, tmp_path: Path) -> None:
    (tmp_path / "cards.vcf").write_text(CARDS, newline="")
    kith("import", str(tmp_path / "cards.vcf"))
    out = tmp_path / "out.json"
    assert kith("export", "contacts", "--format", "jscontact", "--to", str(out)).returncode == 0
    assert [card["name"]["full"] for card in json.loads(out.read_text())] == ["Ada Example"]
    assert "1" in kith("import", str(out), "--viewer", "ada").stdout
    done = kith("export", "contacts", "--format", "csv", "--to", str(out))
    assert (done.returncode, "vcard or jscontact" in done.stderr) == (2, True)
    done = kith("export", "contacts", "--to", str(tmp_path / "nowhere" / "out.vcf"))
    assert (done.returncode, "No such file" in done.stderr) == (1, True)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["cards.vcf", "out.json"]


def test_an_import_of_nothing_says_so(kith: Kith, tmp_path: Path) -> None:
    missing = kith("import", str(tmp_path / "missing.vcf"))
    assert missing.returncode == 1 and "missing.vcf" in missing.stderr and "Traceback" not in missing.stderr


def test_a_query_with_errors_ends_with_status_1_and_prints_them(kith: Kith) -> None:
    failed = kith("query", "-", stdin="{nope}")
    assert failed.returncode == 1 and "nope" in json.loads(failed.stdout)["errors"][0]["message"]
    named = kith("query", "-", "--operation", "B", "--variables", '{"n":1}', stdin="query A{viewer{id}} query B{viewer{name}}")
    assert json.loads(named.stdout)["data"] == {"viewer": {"name": "owner"}}


def test_lists_are_empty_before_anything_is_there_and_say_what_to_do(kith: Kith) -> None:
    assert "kith import" in kith("accounts").stdout
    assert json.loads(kith("accounts", "--json").stdout) == []
    assert json.loads(kith("sync", "--json").stdout) == []
    assert kith("sync", "nobody").returncode == 1


def test_migrate_doctor_schema_and_rotation_work_from_nothing(kith: Kith) -> None:
    assert kith("migrate").returncode == 0
    found = json.loads(kith("doctor", "--json").stdout)
    assert [finding for finding in found if finding["level"] == "wrong"] == []
    assert kith("schema").stdout == (ROOT / "schema" / "schema.graphql").read_text()
    assert kith("keys", "rotate", "--retire").returncode == 0
    assert re.fullmatch(r"http://127\.0\.0\.1:8000/login/\S+\n", kith("login").stdout)
