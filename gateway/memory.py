"""How a process keeps its memory small, and looks for garbage seldom.

glibc gives threads arenas of their own, and what one frees no other uses (mallopt(3)). Here the interpreter's lock lets threads take turns
anyway, so sharing one arena costs nothing and saves about a sixth. Other C libraries know no arenas; there nothing happens.

An operation leaves no cycles behind (`Run.close`, `Operation.close`), so that what it made is freed at once by its count of references. Python
looks for cycles after every 700 new objects all the same, of which a page has thousands, all of them in use: that was a quarter of its cost.
"""

from __future__ import annotations

import ctypes
import gc
from typing import Final

_M_ARENA_MAX: Final = -8  # <malloc.h>
YOUNG: Final = 20_000  # objects that are new, and not freed, when it is time to look for cycles: a few megabytes


def share_one_arena() -> None:
    """To be called before the first thread; a limit that is set later lets be what is there."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def settle() -> None:
    """To be called once all is loaded: it stays, and looking through it again would stop all answers for a tenth of a second."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)
