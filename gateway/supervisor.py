"""Child processes of `kith serve`: started, started again when they die, stopped with their parent.

A child learns that it should stop from SIGTERM, and that its parent is gone, kill -9 included, from the end of its standard
input, a pipe that only the parent holds open. Works wherever pipes do.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import structlog

from gateway.lasting import Task, command

BACKOFF: Final = (0.2, 1.0, 3.0, 10.0, 30.0)  # seconds before a child that dies at once is started again
STEADY: Final = 30.0  # seconds after which a child counts as having run well
STOP_SECONDS: Final = 25.0
log = structlog.get_logger("kith.supervisor")


class Child:
    """One process, kept alive."""

    def __init__(
        self, name: str, task: Task, *, environment: Mapping[str, str] | None = None, pass_fds: Sequence[int] = ()
    ) -> None:
        self.name = name
        self._command = command(task)
        self._environment = {**os.environ, **(environment or {})}
        self._pass_fds = tuple(pass_fds)
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """The process that runs now."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        self._task = asyncio.create_task(self._keep(), name=f"keep-{self.name}")

    async def stop(self) -> None:
        """Ask it to end, wait, and end it if it does not."""
        self._stopping = True
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                log.warning("a child did not stop and was killed", child=self.name)
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        failures = 0
        loop = asyncio.get_running_loop()
        while not self._stopping:
            began = loop.time()
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                env=self._environment,
                pass_fds=self._pass_fds,
                start_new_session=True,  # Ctrl-C is for the parent, which then stops its children in order
            )
            status = await self._process.wait()
            if self._stopping:
                return
            failures = 0 if loop.time() - began > STEADY else failures + 1
            wait = BACKOFF[min(failures, len(BACKOFF) - 1)]
            log.error("a child died and will be started again", child=self.name, status=status, seconds=wait)
            await asyncio.sleep(wait)


async def parent_gone() -> None:
    """Returns when the standard input ends: for a child of `Child`, when its parent does."""
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while await reader.read(4096):
            pass
    finally:
        transport.close()
