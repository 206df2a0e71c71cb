"""How a process keeps its memory small, and looks for garbage seldom.

glibc gives threads arenas of their own, and what one frees no other uses (mallopt(3)). Here the interpreter's lock lets threads take turns
anyway, so sharing one arena costs nothing and saves about a sixth. What is freed between what is used it keeps, until it is told to give
back whole pages (malloc_trim(3)). Other C libraries know neither; there nothing happens.

An operation leaves no cycles behind (`Run.close`, `Operation.close`), so that what it made is freed at once by its count of references. Python
looks for cycles after every 700 new objects all the same, of which a page has thousands, all of them in use: that was a quarter of its cost.
"""

from __future__ import annotations

import ctypes
import gc
from typing import Final

_M_ARENA_MAX: Final = -8  # <malloc.h>
#: Objects that are new, and not freed, when it is time to look for cycles: more than fifty operations of hundreds of fields have at once, and
#: a few megabytes were they all garbage.
YOUNG: Final = 50_000


def share_one_arena() -> None:
    """To be called before the first thread; a limit that is set later lets be what is there."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """To be called after much was freed that will not be needed again: milliseconds for tens of megabytes."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def settle() -> None:
    """To be called once all is loaded: it stays, and looking through it again would stop all answers for a tenth of a second."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
