"""Two builds of this project beside each other, in turns, in one run: is one slower?

    python3 bench/same/speed.py --engine BEFORE AFTER --baselines BEFORE AFTER [--rounds 7]

Each argument is the line server of a build: `bench_engine` (training steps and scoring of the
network, feature `internals`) and `bench_baselines` (fit and score of every detector). For every
piece of work one process of each build takes turns with the other, and the ratio after / before of
the least times is printed: below 1 is faster. Needs numpy.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from contender import Contender  # noqa: E402

THREADS = 2
# Columns, hidden width, covariance, batch; steps and rows that take about half a second.
SHAPES = [
    (32, 256, "diagonal", 256, 200),
    (32, 1024, "circular", 256, 60),
    (617, 1024, "diagonal", 256, 30),
    (32, 4096, "diagonal", 256, 4),
]
# The detectors of a set; the neighbours' time depends on rows and columns.
SETS = {
    ("mixture x32", 5000): [
        "dum", "iforest", "lof", "ocsvm", "sp", "ee", "knn", "abod", "ae", "lesinn", "repen",
    ],
    ("shuttle-like", 49_097): ["knn", "lof", "iforest"],
    ("mixture x100", 20_000): ["knn"],
}  # fmt: skip


def alternate(binaries, rounds, setup, work):
    """Least seconds of each piece of work by each build, taken in turns."""
    pair = [Contender([binary], THREADS) for binary in binaries]
    try:
        for contender in pair:
            for words in setup:
                contender.ask(*words)
        least = {}
        for turn in range(rounds):
            for build in (0, 1) if turn % 2 == 0 else (1, 0):
                for name, words in work.items():
                    answer = pair[build].ask(*words)
                    taken = answer.get("seconds", answer.get("fit_seconds"))
                    key = (name, build)
                    least[key] = min(taken, least.get(key, taken))
        return least
    finally:
        for contender in pair:
            contender.close()


def report(label, least):
    for name in dict.fromkeys(name for name, _ in least):
        before, after = least[name, 0], least[name, 1]
        print(f"{label:34} {name:6} {before:9.4f} s {after:9.4f} s  {after / before:6.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engine", nargs=2, metavar=("BEFORE", "AFTER"))
    parser.add_argument("--baselines", nargs=2, metavar=("BEFORE", "AFTER"))
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for d, h, covariance, batch, steps in SHAPES if args.engine else []:
            rows = np.random.default_rng(0).standard_normal((8192, d), dtype=np.float32)
            rows.tofile(Path(folder, "rows.f32"))
            setup = [("setup", folder, d, h, covariance, batch), ("train", 1)]
            work = {"train": ("train", steps), "score": ("score", 4096, 4)}
            least = alternate(args.engine, args.rounds, setup, work)
            report(f"engine d={d} h={h} {covariance}", least)
        for (name, n), detectors in SETS.items() if args.baselines else []:
            file = Path(folder, "rows.npy")
            sets = [sys.executable, HERE.parent / "baselines" / "sets.py"]
            subprocess.run([*sets, name.replace(" ", ""), str(n), file], check=True)
            for detector in detectors:
                setup = [("read", file, "all")]
                work = {"fit": ("fit", detector, 0), "score": ("score",)}
                least = alternate(args.baselines, args.rounds, setup, work)
                report(f"{detector} on {n} rows, {name}", least)


if __name__ == "__main__":
    main()
