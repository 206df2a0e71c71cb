"""The documents name everything that there is: each setting, command, type, field, scope, figure and provider, and no link leads nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType, is_introspection_type

from gateway.cli import command, frame
from gateway.settings import table
from gateway.signin.principal import SCOPES
from gateway.telemetry import Telemetry
from providers.base import catalogue
from schema import build_schema

ROOT = Path(__file__).parent.parent
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands(app: typer.Typer, before: str = "kith") -> Iterator[str]:
    """Every command as it is typed."""
    for each in app.registered_commands:
        assert each.callback is not None
        if not each.hidden:
            yield f"{before} {each.name or each.callback.__name__.replace('_', '-')}"
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from commands(group.typer_instance, f"{before} {group.name}")


def all_commands() -> list[str]:
    command.register()
    return sorted(commands(frame.app))


def test_the_table_of_settings_is_that_of_the_program() -> None:
    written = re.search(r"<!-- settings:.*?-->\n(.*?)\n<!-- /settings -->", OPERATIONS, re.DOTALL)
    assert written is not None
    assert written[1].strip() == table().strip(), "put the output of gateway.settings.table() into docs/operations.md"


@pytest.mark.parametrize("command", all_commands())
def test_every_command_is_in_the_operations_manual(command: str) -> None:
    assert f"`{command}`" in OPERATIONS


def test_the_manual_names_no_command_that_there_is_not() -> None:
    known = set(all_commands())
    named = set(re.findall(r"^\| `(kith [a-z ]+)`", OPERATIONS, re.MULTILINE))
    assert named and {re.sub(r" --.*", "", name).strip() for name in named} <= known


def test_every_figure_is_explained() -> None:
    exported = set(re.findall(r"^# TYPE (\w+)", Telemetry().text().decode(), re.MULTILINE))
    ours = {name for name in exported if name.startswith("kith_") and not name.endswith("_created")}
    assert [name for name in sorted(ours) if name.removesuffix("_total") not in OPERATIONS] == []


def test_every_scope_is_in_the_security_model() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    assert [scope for scope in SCOPES if f"`{scope.lower()}`" not in text] == []


def test_every_type_field_argument_and_value_of_the_schema_is_described() -> None:
    missing = []
    for kind in build_schema()._schema.type_map.values():
        if is_introspection_type(kind):
            continue
        if not kind.description:
            missing.append(kind.name)
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for name, field in kind.fields.items():
                if not field.description:
                    missing.append(f"{kind.name}.{name}")
                missing += [f"{kind.name}.{name}({a})" for a, argument in field.args.items() if not argument.description]
        elif isinstance(kind, GraphQLInputObjectType):
            missing += [f"{kind.name}.{name}" for name, given in kind.fields.items() if not given.description]
        elif isinstance(kind, GraphQLEnumType):
            missing += [f"{kind.name}.{name}" for name, value in kind.values.items() if not value.description]
    assert missing == []


@pytest.mark.parametrize("key", catalogue())
def test_every_provider_has_a_page_that_the_documents_lead_to(key: str) -> None:
    page = ROOT / catalogue()[key].docs_path
    assert catalogue()[key].docs_path and page.is_file()
    others = [text.read_text() for text in PAGES if text != page]
    assert any(page.name in text for text in others), f"no page links to {page.name}"


#: What every page of an adapter says, in this order: of one that is linked, and of a format that is imported.
LINKED = (
    "What it gives", "What the network does not give", "Quotas and price", "Scopes", "Getting credentials", "Verified against",
)  # fmt: skip
IMPORTED = ("What it gives", "What the format does not give", "How to export", "Verified against")


@pytest.mark.parametrize("key", catalogue())
def test_every_page_of_a_provider_says_all_that_is_to_be_known_under_the_same_headings(key: str) -> None:
    provider = catalogue()[key]
    text = (ROOT / provider.docs_path).read_text()
    sections = {part.partition("\n")[0]: part.partition("\n")[2] for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]}
    wanted = LINKED if provider.link_forms else IMPORTED
    assert [heading for heading in sections if heading in wanted] == list(wanted)
    assert [heading for heading in wanted if len(sections[heading].split()) < 5] == []
    if provider.link_forms:
        assert re.search(r"free of charge|charge|bill|price|\$", sections["Quotas and price"], re.IGNORECASE), (
            "nothing is said of the price"
        )
        assert re.search(r"^1\. ", sections["Getting credentials"], re.MULTILINE), "credentials are to be had step by step"
    if provider.sign_out or any(form.method == "OAUTH_REDIRECT" for form in provider.link_forms):
        assert "nlinking in Kith" in " ".join(text.split()), "nothing is said of what unlinking ends at the network"
    scopes = {scope.rpartition("/auth/")[2] for form in provider.link_forms for scope in form.scopes}
    assert [scope for scope in sorted(scopes) if scope not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_leads_nowhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = page if not path else (page.parent / path).resolve()
        if not found.exists() or (anchor and found.suffix == ".md" and anchor not in _anchors(found.read_text())):
            broken.append(target)
    assert broken == []


def _anchors(text: str) -> set[str]:
    """What headings are linked by, as the places that render Markdown make it."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
