"""How often each promise is broken without a change.

bench/monitor/.venv-peers/bin/python bench/monitor/null.py
"""

import warnings

import numpy as np
import qualm
from scipy import stats

SEED = 21


def interval(k, n):
    found = stats.binomtest(int(k), n).proportion_ci(method="exact")
    return f"{k} of {n}, {k / n:.2%} (95 % interval {found.low:.2%} to {found.high:.2%})"


def windows(n=2000, rows=500):
    rng = np.random.default_rng([SEED, 0])
    for law in ("normal", "lognormal", "integers of 0 to 9"):
        draw = {
            "normal": lambda n: rng.normal(size=n),
            "lognormal": lambda n: rng.lognormal(size=n),
            "integers of 0 to 9": lambda n: rng.integers(0, 10, n),
        }[law]
        for test in ("welch", "mann_whitney", "ks"):
            alarms = sum(
                qualm.monitor.compare(draw(1000), draw(rows), test, min_effect=0).is_drift
                for _ in range(n)
            )
            print(f"window, {law}, {test}: {interval(alarms, n)}", flush=True)


def ever(n=2000, rows=5000):
    rng = np.random.default_rng([SEED, 1])
    for law, reference in (("normal", 1000), ("normal", 100), ("integers of 0 to 9", 1000)):
        alarms = 0
        for i in range(n):
            size = reference + rows
            scores = rng.normal(size=size) if law == "normal" else rng.integers(0, 10, size)
            watched = qualm.monitor.watch(scores[:reference], scores[reference:], random_state=i)
            alarms += watched.is_drift
        print(f"ever, {law}, reference of {reference}: {interval(alarms, n)}", flush=True)


def run_length(length=10_000, n=200, rows=200_000):
    """The mean row of the first alarm, which is no longer than the stream, and rows an alarm."""
    rng = np.random.default_rng([SEED, 2])
    for reference in (1000, 100):
        firsts, alarms = [], 0
        for i in range(n):
            scores = rng.normal(size=reference + rows)
            result = qualm.monitor.watch(
                scores[:reference],
                scores[reference:],
                guarantee="arl",
                run_length=length,
                random_state=i,
            )
            firsts.append(result.alarm_at or rows)
            alarms += len(result.alarms)
        error = np.std(firsts) / np.sqrt(n)
        print(
            f"run length {length}, reference of {reference}: first alarm at row "
            f"{np.mean(firsts):.0f} on average (standard error {error:.0f}), "
            f"{n * rows / max(alarms, 1):.0f} rows an alarm",
            flush=True,
        )


if __name__ == "__main__":
    # Of so many references a few are as alike as those of a video by chance.
    warnings.simplefilter("ignore", qualm.QualmWarning)
    windows()
    ever()
    run_length()
