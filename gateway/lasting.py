"""The processes that run for weeks: what each is asked to do, as the command line of `python -m gateway.lasting`.

`kith serve` and `kith worker` read their options and check the settings as every command does, and then become one of these
(execve(2): the same process, nothing of what it had loaded), since reading a command line takes fifteen megabytes of libraries that nothing
needs afterwards. The processes beside them are started as these at once. Settings come by the environment.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NoReturn

import msgspec

#: Optional companions of structlog, for colours in tracebacks and for a way to keep context that is not used here: six megabytes.
UNUSED: Final = ("greenlet", "rich")


class Serving(msgspec.Struct, frozen=True, kw_only=True, tag="serve"):
    """A web process. `listener`: the number of the open socket; `processes`: how many serve; `beside`: whether a worker is started beside
    it; `child`: one of several, which prints nothing and starts nothing.
    """

    listener: int
    processes: int = 1
    beside: bool = False
    child: bool = False


class Working(msgspec.Struct, frozen=True, kw_only=True, tag="worker"):
    """A worker; `supervised`: it ends when its standard input does."""

    supervised: bool = False


Task = Serving | Working


def command(task: Task) -> list[str]:
    """The command line of the process that does it."""
    # -P: nothing is imported from the folder that it happens to be started in
    return [sys.executable, "-P", "-m", "gateway.lasting", msgspec.json.encode(task).decode()]


def become(task: Task, environment: Mapping[str, str] = MappingProxyType({})) -> NoReturn:
    """This process from now on, with `environment` besides its own. Its listener stays open."""
    if isinstance(task, Serving):
        os.set_inheritable(task.listener, True)
    sys.stdout.flush()
    sys.stderr.flush()
    line = command(task)
    os.execve(line[0], line, {**os.environ, **environment})


@contextlib.contextmanager
def without(*names: str) -> Iterator[None]:
    """What is imported during the block finds none of these libraries, as where they are not installed."""
    hidden: dict[str, Any] = {name: None for name in names if name not in sys.modules}
    sys.modules.update(hidden)
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def prepare() -> None:
    """To be called before anything else is imported."""
    with without(*UNUSED):
        importlib.import_module("structlog")


def main() -> None:
    """Do what the command line says."""
    task: Task = msgspec.json.decode(sys.argv[1], type=Task)
    prepare()
    from gateway.mistakes import answered

    answered(lambda: _do(task))


def _do(task: Task) -> None:
    import asyncio

    import uvloop

    from gateway.log import configure_log
    from gateway.memory import share_one_arena
    from gateway.settings import load

    share_one_arena()
    settings = load()
    configure_log(settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if isinstance(task, Working):
            from gateway import worker_process

            runner.run(worker_process.run(settings, supervised=task.supervised))
            return
        with without("watchfiles"):  # uvicorn would reload by it; Kith never does
            from gateway.serve import serve

        listener = socket.socket(fileno=task.listener)
        # who is started beside it would hold the port when it is killed: libuv closes in a child only what is marked so
        listener.set_inheritable(False)
        runner.run(serve(settings, listener, workers=task.processes, worker=task.beside, child=task.child))


if __name__ == "__main__":
    main()
