"""What the sequential test costs beside scoring, and the size of its state.

    bench/monitor/.venv-peers/bin/python bench/monitor/cost.py

Processor time of one thread, the least of several turns of both.
"""

import time
from functools import partial

import numpy as np
import qualm

ROWS, COLUMNS = 20_000, 64


def least(work, turns=7):
    found = []
    for _ in range(turns):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


def watch(monitor, parts):
    for part in parts:
        monitor.update_scores(part)


def main():
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 3, (10, COLUMNS))
    draw = lambda n: (centres[rng.integers(0, 10, n)] + rng.normal(size=(n, COLUMNS))).astype("f4")
    model = qualm.DUM(n_jobs=1).fit(draw(5000))
    reference, rows = draw(5000), draw(ROWS)
    scores = model.decision_function(rows)
    scoring = least(lambda: model.decision_function(rows), 3)
    print(f"scoring, default preset, d = {COLUMNS}: {ROWS / scoring:,.0f} rows a second")
    for size in (ROWS, 1000, 100, 1):
        monitor = qualm.Monitor(model, reference)
        parts = [scores[start : start + size] for start in range(0, ROWS, size)]
        watching = least(partial(watch, monitor, parts))
        print(
            f"watching, batches of {size}: {ROWS / watching:,.0f} rows a second, "
            f"{watching / scoring:.2%} of scoring"
        )
    print(f"state: {len(monitor.state):,} bytes beside {len(reference)} reference rows")


if __name__ == "__main__":
    main()
