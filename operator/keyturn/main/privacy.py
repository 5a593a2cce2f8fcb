"""What this process holds stays in it: no core dump, and no other process of the same user looks into its memory.

Changes nothing but this process's own limits.
"""

from __future__ import annotations

import ctypes
import resource
import sys

_PR_SET_DUMPABLE = 4  # https://man7.org/linux/man-pages/man2/PR_SET_DUMPABLE.2const.html


def close_to_others() -> None:
    """Children inherit the limit. Elsewhere than on Linux the limit is all there is."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
