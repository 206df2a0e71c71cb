"""Names become addresses side by side: one that nobody answers for keeps nobody from another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from providers.addresses import Guard, system_addresses
from providers.errors import Unavailable
from providers.names import Names


class Resolver:
    """Knows every name but those that begin with `hung`, of which it says nothing until it is told to, and `unknown`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers = threading.Event()
        self.begun = threading.Semaphore(0)  # a release for every question that is being asked

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        self.begun.release()
        if host.startswith("hung"):
            self.answers.wait()
        if host.startswith("unknown"):
            raise OSError("Name or service not known")
        return [f"8.8.8.{port % 256}"]


@contextmanager
def resolver() -> Iterator[Resolver]:
    found = Resolver()
    try:
        yield found
    finally:
        found.answers.set()


async def test_a_name_is_found_while_others_are_not_answered_for() -> None:
    with resolver() as asked:
        names = Names(asked, threads=9)
        hung = [asyncio.ensure_future(names.addresses(f"hung{number}.example.org", 443)) for number in range(8)]
        assert await names.addresses("well.example.org", 443) == ["8.8.8.187"]
        assert not any(waiting.done() for waiting in hung)
        asked.answers.set()
        assert await asyncio.gather(*hung) == [["8.8.8.187"]] * 8


async def test_a_name_is_asked_for_once_at_a_time_however_many_want_it_and_has_one_thread() -> None:
    with resolver() as asked:
        names = Names(asked, threads=2)
        many = [asyncio.ensure_future(names.addresses("hung.example.org", 443)) for _ in range(50)]
        assert await names.addresses("well.example.org", 443) == ["8.8.8.187"]
        asked.answers.set()
        assert await asyncio.gather(*many) == [["8.8.8.187"]] * 50
        assert sorted(asked.asked) == ["hung.example.org", "well.example.org"]
        await names.addresses("hung.example.org", 443)  # nothing is remembered: addresses change
        assert asked.asked.count("hung.example.org") == 2


async def test_who_finds_no_thread_waits_in_line() -> None:
    with resolver() as asked:
        names = Names(asked, threads=1)
        first = asyncio.ensure_future(names.addresses("hung.example.org", 443))
        second = asyncio.ensure_future(names.addresses("well.example.org", 443))
        await asyncio.to_thread(asked.begun.acquire)
        assert asked.asked == ["hung.example.org"]
        asked.answers.set()
        assert await second == await first == ["8.8.8.187"]


async def test_who_stops_waiting_stops_nobody_else() -> None:
    with resolver() as asked:
        names = Names(asked, threads=1)
        leaving, staying = (asyncio.ensure_future(names.addresses("hung.example.org", 443)) for _ in range(2))
        await asyncio.to_thread(asked.begun.acquire)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
        asked.answers.set()
        assert await staying == ["8.8.8.187"]


async def test_what_is_not_found_is_said_to_all_who_want_it_and_frees_its_thread() -> None:
    with resolver() as asked:
        names = Names(asked, threads=1)
        told = await asyncio.gather(*(names.addresses("unknown.example.org", 443) for _ in range(3)), return_exceptions=True)
        assert [type(error) for error in told] == [OSError] * 3
        assert await names.addresses("well.example.org", 443) == ["8.8.8.187"]


async def test_the_guard_judges_what_is_found_and_names_what_is_not() -> None:
    with resolver() as asked:
        guard = Guard(lookup=Names(asked).addresses)
        assert [pinned.ip for pinned in await guard.resolve("well.example.org", 443)] == ["8.8.8.187"]
        with pytest.raises(Unavailable, match="cannot be found"):
            await guard.resolve("unknown.example.org", 443)


async def test_the_systems_own_names_are_found() -> None:
    assert set(await Names(system_addresses).addresses("127.0.0.1", 443)) == {"127.0.0.1"}
