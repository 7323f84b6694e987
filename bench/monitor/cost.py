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


def call(work, parts):
    for part in parts:
        work(part)


def main():
    rng = np.random.default_rng(0)
    centres = rng.normal(0, 3, (10, COLUMNS))
    draw = lambda n: (centres[rng.integers(0, 10, n)] + rng.normal(size=(n, COLUMNS))).astype("f4")
    model = qualm.DUM(n_jobs=1).fit(draw(5000))
    reference, rows = draw(5000), draw(ROWS)
    scores = model.decision_function(rows)
    for size in (ROWS, 1000, 100, 1):
        starts = range(0, ROWS, size)
        scoring = least(
            partial(call, model.decision_function, [rows[i : i + size] for i in starts]), 3
        )
        monitor = qualm.Monitor(model, reference)
        watching = least(
            partial(call, monitor.update_scores, [scores[i : i + size] for i in starts])
        )
        print(
            f"default preset, d = {COLUMNS}, batches of {size}: scoring {ROWS / scoring:,.0f} "
            f"rows a second, watching {ROWS / watching:,.0f}, {watching / scoring:.1%} of scoring"
        )
    print(f"state: {len(monitor.state):,} bytes beside {len(reference)} reference rows")


if __name__ == "__main__":
    main()
