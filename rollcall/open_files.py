"""How many files and connections this process may have open at the same time."""

from __future__ import annotations

import contextlib
import resource

__all__ = ["may_open"]

#: More than this nobody here has a use for, and some limits are of a thousand million.
_ENOUGH = 65_536


def may_open() -> int:
    """Raise the limit as far as the process may by itself, to 65,536 at most, and return what it is then.

    Many systems begin a process with 1,024, and let it take far more (`ulimit -Hn`).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(_ENOUGH, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # some sandboxes allow no change
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _ENOUGH if soft == resource.RLIM_INFINITY else min(_ENOUGH, soft)
