"""What the engine remembers is forgotten on request and after very many people, and what it has read from its tables is not."""

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


def test_a_worker_that_rests_remembers_a_handful_and_forgets_a_crowd() -> None:
    memory.forget()
    names.parse("Bob Ogilvy", "", "")
    memory.compared(memory.HANDFUL)
    memory.rest()
    assert names.parse.cache_info().currsize
    memory.compared(1)
    memory.rest()
    assert names.parse.cache_info().currsize == 0
    names.parse("Bob Ogilvy", "", "")
    memory.compared(memory.PEOPLE + 1)
    assert names.parse.cache_info().currsize == 0
