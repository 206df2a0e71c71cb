"""`kith worker`: the worker as a process of its own. It serves nothing, and loads nothing that only serving needs: that is memory."""

from __future__ import annotations

import contextlib

from gateway import worker
from gateway.app import open_installation
from gateway.memory import settle
from gateway.settings import Settings
from gateway.stopping import beside, stop_signal
from gateway.supervisor import parent_gone


async def run(settings: Settings, *, supervised: bool) -> None:
    """Work until told to stop, or until the parent is gone where it is `supervised`."""
    stop = stop_signal()
    async with open_installation(settings) as installation:
        async with contextlib.AsyncExitStack() as stack:
            if supervised:

                async def watch() -> None:
                    await parent_gone()
                    stop.set()

                await stack.enter_async_context(beside(watch()))
            settle()  # a long sync has a thousand mails in memory, all of them in use until they are handed over
            await worker.work(installation, stop)
