"""Conformal p-values and martingales by nonconform: tests/golden/martingales.json.

    pip install nonconform==2.0.0        # Python 3.12 or later
    python martingales.py

It draws its uniforms itself; a generator of the same seed gives them again.
"""

import json
from pathlib import Path

import numpy as np
from nonconform.martingales import PowerMartingale, SimpleJumperMartingale
from nonconform.monitoring import SequentialRankConformalizer

SEED = 7

if __name__ == "__main__":
    rng = np.random.default_rng(0)
    reference = rng.normal(size=200)
    # Scores of the reference's own, so that our cells are as fine as its ranks; some are equal.
    stream = np.concatenate(
        [rng.choice(reference, 200), np.sort(reference)[rng.integers(60, 200, 200)]]
    )
    ranks = SequentialRankConformalizer(seed=SEED)
    ranks.prime_many(reference)
    p = ranks.update_many(stream)
    power = PowerMartingale(0.5).update_many(p)
    jumper = SimpleJumperMartingale(0.01).update_many(p)
    golden = {
        "reference": reference,
        "stream": stream,
        "uniforms": np.random.default_rng(SEED).random(len(stream)),
        "p": p,
        "log_power": np.array([state.log_martingale for state in power]),
        "log_jumper": np.array([state.log_martingale for state in jumper]),
        "log_power_shiryaev_roberts": np.array([s.log_shiryaev_roberts for s in power]),
    }
    path = Path(__file__).with_name("martingales.json")
    path.write_text(json.dumps({k: v.tolist() for k, v in golden.items()}) + "\n")
