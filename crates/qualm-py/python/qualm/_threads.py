"""How many threads `n_jobs` stands for."""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

from . import _core

#: What limits the threads of this process, where it is set: OpenMP's, Rayon's and joblib's.
_LIMITS = ("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "LOKY_MAX_CPU_COUNT")


def threads(n_jobs: int | None) -> int:
    """The number of threads that ``n_jobs`` stands for, counted as joblib counts.

    A positive number is taken as it is. -1 is all threads there are, -2 all but one, and so on;
    None is what joblib's context says (``joblib.parallel_config``), 1 outside of one.
    """
    if n_jobs is None:
        return min(_of_context(), available())
    if not isinstance(n_jobs, (int, np.integer)) or isinstance(n_jobs, bool):
        raise TypeError(f"n_jobs = {n_jobs!r}: expected a whole number or None")
    if n_jobs == 0:
        raise ValueError("n_jobs = 0: expected at least 1, or -1 for all threads")
    if n_jobs > 0:
        return int(n_jobs)
    return max(1, available() + 1 + int(n_jobs))


def available() -> int:
    """The threads that a call may use when it is not told how many.

    Those of the processors that this process may run on, but no more than the environment allows.
    Workers share the processors: one that joblib started has its share in its environment, any
    other uses one thread.
    """
    limits = [limit for limit in map(_limit, _LIMITS) if limit is not None]
    if _is_nested() or (_is_child() and not limits):
        return 1
    return min([_core.available_threads(), *limits])


def _limit(name: str) -> int | None:
    # OpenMP allows a list, one number for each level.
    first = os.environ.get(name, "").split(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) > 0 else None


def _joblib() -> Any:
    """joblib's module of contexts, if anybody has imported it."""
    return sys.modules.get("joblib.parallel")


def _of_context() -> int:
    effective = getattr(_joblib(), "effective_n_jobs", None)
    return int(effective(None)) if effective else 1


def _is_nested() -> bool:
    """Whether this is a thread of joblib, beside others that do the same."""
    active = getattr(_joblib(), "get_active_backend", None)
    return bool(active and not _is_child() and (active()[0].nesting_level or 0) > 0)


def _is_child() -> bool:
    """Whether multiprocessing, concurrent.futures or joblib started this process."""
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None
