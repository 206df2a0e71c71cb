"""From collected fields to Python source.

What is read from records only becomes one expression: dicts within lists within dicts, each value checked where it stands. A
field with a resolver becomes a function that calls it and completes its value. For

    { viewer { people(first: 2) { edges { node { id emails { address } } } } } }

the part below `people` reads, without the checks,

    {"edges": [{"node": {"id": x2.id, "emails": [{"address": x3.address} for x3 in x2.emails]}} for x1 in c.edges]}

A field that is loaded leaves with its loader where it stands, and nothing else is done for it until its value comes; those of the items of a
list do so when the list is made.

Names in the source: R the run, P the call above, ix the indexes of items since then, d the dict being filled, c a call, w what a field
waits for.
"""

from __future__ import annotations

import asyncio
import keyword
from collections.abc import Mapping, Sequence
from types import CoroutineType, FunctionType
from typing import TYPE_CHECKING, Any, Final

from graphql import (
    GraphQLObjectType,
    GraphQLOutputType,
    default_field_resolver,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.collect_fields import FieldDetails

from gateway.execution.compiled.fork import Fork
from gateway.execution.compiled.run import HOLE, WAITS, Call
from gateway.execution.compiled.values import (
    INT_MAX,
    Irregular,
    bad,
    items,
    items_or_none,
    kept,
    leaf,
    passes_strings,
    said,
    words,
)
from resolvers.loading import Loading
from schema.marks import Converts, Loads, Reads, Shows

if TYPE_CHECKING:
    from gateway.execution.compiled.plan import Field, Plan, Way

DEEPEST: Final = 6  # dicts within dicts in one expression: the parser counts parentheses


class Source:
    """Writes the functions of one plan into its namespace."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._names = 0
        self._lines: list[str] = []
        self._resolvers: list[tuple[Field, str]] = []  # whose function that completes is being written
        self.namespace: dict[str, Any] = {
            "Call": Call,
            "Coroutine": CoroutineType,
            "Future": asyncio.Future,
            "Loading": Loading,
            "WAITS": WAITS,
            "OBJECTS": plan.classes.objects,
            "SETTLED": plan.classes.settled,
            "bad": bad,
            "is_later": plan.classes.is_later,
            "is_object": plan.classes.is_object,
            "kept": kept,
            "items": items,
            "items_or_none": items_or_none,
            "shown": _shown,
        }

    def function(self, kind: GraphQLObjectType, fields: Mapping[str, Sequence[FieldDetails]], way: Way) -> Any:
        """The function that answers these fields of an object of `kind`: (object, run, call, indexes) → dict."""
        name = self._function(kind, fields, way)
        text, self._lines = "\n".join(self._lines), []
        FunctionType(compile(text, "<operation>", "exec"), self.namespace)()
        for field, complete in self._resolvers:
            field.complete = self.namespace[complete]
        self._resolvers.clear()
        return self.namespace[name]

    def _function(self, kind: GraphQLObjectType, fields: Mapping[str, Sequence[FieldDetails]], way: Way) -> str:
        record = self._fresh("x")
        entries, statements, loaded = self._selection(kind, fields, way, record, 0)
        return self._defined(record, entries, [*statements, *self._noted(loaded, record)])

    def _defined(self, record: str, entries: list[str], statements: list[str]) -> str:
        name = self._fresh("object")
        body = f"{{{', '.join(entries)}}}"
        self._lines += [f"def {name}({record}, R, P, ix):"]
        if statements:
            self._lines += [f"  d = {body}", *(f"  {statement}" for statement in statements), "  return d"]
        else:
            self._lines += [f"  return {body}"]
        return name

    def _selection(
        self, kind: GraphQLObjectType, fields: Mapping[str, Sequence[FieldDetails]], way: Way, record: str, depth: int
    ) -> tuple[list[str], list[str], list[Field]]:
        """The entries of the dict, what fills in those that are no expression of the record alone, and the fields that are loaded."""
        entries: list[str] = []
        statements: list[str] = []
        loaded: list[Field] = []
        for key, details in fields.items():
            field = self._plan.field(kind, key, details, way)
            if field is None:  # the schema does not know it; graphql-core leaves it out
                continue
            if field.name == "__typename":
                entries.append(f"{key!r}: {kind.name!r}")
                continue
            attribute = _attribute(field)
            if attribute is None:
                entries.append(f"{key!r}: None")
                if isinstance(field.definition.resolve, Loads):
                    self._completing(field)
                    loaded.append(field)
                else:
                    statements.append(f"{self._resolved(field)}({record}, d, R, P, ix)")
                continue
            held = self._hold("field", field)
            value, plain = self._value(
                field,
                field.definition.type,
                _read(record, attribute),
                field.way,
                "P",
                "ix",
                f"Call({held}, R, P, ix, R.context, {{}})",
                depth,
            )
            entries.append(f"{key!r}: {value if plain else None}")
            if not plain:
                statements.append(f"d[{key!r}] = {value}")
        return entries, statements, loaded

    def _completing(self, field: Field) -> str:
        """The function that makes of what the field's resolver gives what goes into the answer."""
        value, field.plain = self._value(field, field.definition.type, "v", (), "c", "()", "c", 0)
        complete = self._fresh("complete")
        self._resolvers.append((field, complete))
        self._lines += [f"def {complete}(v, c, R):", f"  return {value}"]
        return complete

    def _noted(self, loaded: list[Field], record: str) -> list[str]:
        """Leaves with the loader where the answers to these fields stand."""
        lines: list[str] = []
        for field in loaded:
            resolver = field.definition.resolve
            assert isinstance(resolver, Loads)
            key = _read(record, resolver.attribute)
            lines += [
                "try:",
                f"  (w := R.awaited[{field.number}]).loader.asked[{key}].listeners[w].append((d, P, ix))",
                "except KeyError:",
                f"  R.load({self._hold('field', field)}, {key}, (d, P, ix))",
            ]
        return lines

    def _resolved(self, field: Field) -> str:
        """A function that calls the field's resolver and puts what comes of it under its key."""
        complete = self._completing(field)
        name, held = self._fresh("field"), self._hold("field", field)
        resolver = field.definition.resolve or default_field_resolver
        arguments = self._arguments(field, held)
        if isinstance(resolver, Converts):
            function = self._hold("function", resolver.function)
            info = f"{self._hold('info', resolver.info_class)}(c, {self._hold('declared', resolver.field)})"
            leads = ", ".join({"source": "o", "info": info}[lead] for lead in resolver.leads)
            call = f"{function}({leads}{', ' if leads and arguments else ''}{arguments})"
        else:
            call = f"{self._hold('function', resolver)}(o, c{', ' if arguments else ''}{arguments})"
        self._lines += [
            f"def {name}(o, d, R, P, ix):",
            f"  c = Call({held}, R, P, ix, R.context, d)",
            "  R.calls.append(c)",
            "  try:",
            f"    v = {call}",
            "  except Exception as error:",
            "    c.error = error",
            "    raise",
            "  if (t := type(v)) is Loading and not v.there:",
            "    c.later = True",
            "    c.loading = v",
            "    R.pending += 1",
            "    v.note(R, c)",
            "    return",
            "  if t is Coroutine or t is Future or t not in SETTLED and is_later(v):",
            "    v = R.begin(v, c)",
            "    if v is WAITS:",
            "      return",
            "  else:",
            "    c.value = v",
            f"  d[{field.key!r}] = {complete}(v, c, R)",
        ]
        return name

    def _arguments(self, field: Field, held: str) -> str:
        if not field.definition.args:
            return ""
        constant = field.constant_arguments()
        if constant is None:
            return f"**R.arguments({held})"
        return f"**{self._hold('arguments', constant)}" if constant else ""

    def _value(
        self,
        field: Field,
        kind: GraphQLOutputType,
        given: str,
        way: Way,
        call: str,
        ix: str,
        info: str,
        depth: int,
        loaded: list[Field] | None = None,
    ) -> tuple[str, bool]:
        """An expression for `given` completed as `kind`; whether it needs nothing but the record it is read from.

        With `loaded`, an item of a list: its fields that are loaded into it once the list is made are put there.
        """
        nullable = not is_non_null_type(kind)
        if is_non_null_type(kind):
            kind = kind.of_type
        if is_leaf_type(kind):
            return self._leaf(kind, given, nullable), True
        if is_list_type(kind):
            item, index = self._fresh("x"), self._fresh("i")
            inner_ix = f"({index},)" if ix == "()" else f"(*{ix}, {index})"
            later: list[Field] = []
            inner, plain = self._value(field, kind.of_type, item, (*way, (HOLE, None)), call, inner_ix, info, depth, later)
            if later:
                found, held = self._fresh("l"), self._hold("fields", later)
                listed = f"[{inner} for {item} in {found}], {call}, {ix}, {held})"
                if not nullable:
                    return f"R.listed(({found} := kept(items({given}))), {listed}", False
                some = f"R.listed(({found} := kept({found})), {listed}"
                return f"(None if ({found} := items_or_none({given})) is None else {some})", False
            every = f"for {item} in" if plain else f"for {index}, {item} in enumerate"
            if not nullable:
                return f"[{inner} {every} (items({given}))]", plain
            found = self._fresh("l")
            return f"(None if ({found} := items_or_none({given})) is None else [{inner} {every} ({found})])", plain
        record = given if given.isidentifier() else self._fresh("x")
        first = record if record == given else f"({record} := {given})"
        if is_abstract_type(kind):
            fork = Fork(self._plan, kind, field.details, way)
            body = f"{self._hold('fork', fork)}({record}, R, {call}, {ix}, {info if fork.asks_info else None})"
            return self._object(body, f"(type({first}) in OBJECTS or is_object({record}))", record, nullable), False
        assert is_object_type(kind)
        condition = self._condition(kind, first, record, info)
        fields = self._plan.subfields(kind, field.details)
        entries, statements, by_loader = self._selection(kind, fields, way, record, depth + 1)
        plain = not statements and not condition.startswith("shown")
        if loaded is not None and plain and depth < DEEPEST and all(one.plain for one in by_loader):
            loaded += by_loader
        else:
            statements += self._noted(by_loader, record)
            plain = plain and not by_loader
        if statements or depth >= DEEPEST:
            body = f"{self._defined(record, entries, statements)}({record}, R, {call}, {ix})"
            plain = False
        else:
            body = f"{{{', '.join(entries)}}}"
        return self._object(body, condition, record, nullable), plain

    def _object(self, body: str, condition: str, record: str, nullable: bool) -> str:
        otherwise = f"None if {record} is None else bad({record})" if nullable else f"bad({record})"
        return f"({body} if {condition} else {otherwise})"

    def _condition(self, kind: GraphQLObjectType, first: str, record: str, info: str) -> str:
        """Whether the value is an object of this kind, in source."""
        check = kind.is_type_of
        if isinstance(check, Shows) and check.records:
            if len(check.records) == 1:
                return f"type({first}) is {self._hold('record', next(iter(check.records)))}"
            return f"type({first}) in {self._hold('records', check.records)}"
        looked_at = f"(type({first}) in OBJECTS or is_object({record}))"
        if check is None or isinstance(check, Shows):
            return looked_at
        return f"shown({looked_at}, {self._hold('check', check)}, {record}, {info})"

    def _leaf(self, kind: Any, given: str, nullable: bool) -> str:
        checked = self._hold("leaf", leaf(kind, nullable=nullable))
        value = given if given.isidentifier() else self._fresh("v")
        first = value if value == given else f"({value} := {given})"
        if passes_strings(kind):
            return f"({value} if type({first}) is str else {checked}({value}))"
        if kind.name == "Boolean":
            return f"({value} if type({first}) is bool else {checked}({value}))"
        if kind.name == "Int":
            return f"({value} if type({first}) is int and {-INT_MAX - 1} <= {value} <= {INT_MAX} else {checked}({value}))"
        if known := words(kind):
            out = self._fresh("w")
            table = self._hold("words", known)
            return f"({out} if type({first}) is str and ({out} := {table}.get({value})) is not None else {checked}({value}))"
        return f"{checked}({given})"

    def _fresh(self, what: str) -> str:
        self._names += 1
        return f"{what}_{self._names}"

    def _hold(self, what: str, value: Any) -> str:
        name = self._fresh(what.upper())
        self.namespace[name] = value
        return name


def _attribute(field: Field) -> str | None:
    """The attribute that the field's resolver reads; None when it does more than that."""
    resolver = field.definition.resolve
    if isinstance(resolver, Reads):
        return resolver.attribute
    declared = field.definition.extensions.get("strawberry-definition")
    if declared is None or not getattr(resolver, "_is_default", False) or declared.default_resolver is not getattr:
        return None
    return str(declared.python_name)


def _read(record: str, attribute: str) -> str:
    if attribute.isidentifier() and not keyword.iskeyword(attribute):
        return f"{record}.{attribute}"
    return f"getattr({record}, {attribute!r})"


def _shown(is_object: bool, check: Any, value: Any, info: Call) -> bool:
    """`is_type_of`, called; False also for null."""
    if not is_object:
        return False
    if not said(check(value, info)):
        raise Irregular
    return True
