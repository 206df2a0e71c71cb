"""What the engine remembers is forgotten on request, and what it has read from its tables is not."""

from __future__ import annotations

from resolvers.identity import memory, names, tables


def test_names_are_forgotten_and_tables_stay() -> None:
    read = names.parse("Bob Ogilvy", "", "")
    assert names.parse.cache_info().currsize
    filled = [table for table in vars(tables).values() if hasattr(table, "cache_info") and table.cache_info().currsize]
    memory.forget()
    assert names.parse.cache_info().currsize == 0
    assert all(table.cache_info().currsize for table in filled)
    assert names.parse("Bob Ogilvy", "", "") == read
