"""Our baselines beside scikit-learn and PyOD, in turns, in one run.

    python3 bench/baselines/bench.py [--only knn,lof] [--peers pyod] [--sets shuttle-like]
                                     [--rounds N] [--again] [--quick] [--table-only]

Makes a virtual environment of its own for the peers, builds our side, and for every pair of
a detector and a peer starts one process for each with the same rows. They take turns, round
after round, so that what the machine does meanwhile hits both alike; each turn fits and
scores the fitted rows. Before anything is timed their scores are compared. A finished pair is
added to `results.csv` at once and not measured again without `--again`; `RESULTS.md` is made
from that file.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from contender import DISTURBING, Contender, Refused, TimedOut, build, machine  # noqa: E402

import report  # noqa: E402

VENV = HERE / ".venv"
THREE = {"shuttle-like": 49_097, "20,000x100": 20_000, "100,000x32": 100_000}
SMALL = {"10,000x20": 10_000}
# A peer that takes longer than this is not run for every round, nor for a warm-up.
SLOW = 120
# The rank correlation that methods without and with randomness must reach.
EXACT, RANDOM = 0.999, 0.9
# Distances between integers tie, and which of the tied rows is the last neighbour changes abod's
# angles: PyOD agrees with itself on the same rows in another order to 0.9990.
TIES, TIED = ("abod", "shuttle-like"), 0.998
BRUTE = ["algorithm=brute", "algorithm=brute double=true"]
TREES = ["algorithm=kd_tree", "algorithm=ball_tree"]
CACHES = ["cache_size=200", "cache_size=1000", "cache_size=2000"]


@dataclass(frozen=True)
class Pair:
    """A detector of ours and the same in another library."""

    detector: str
    peer: str
    sets: dict
    # How many times as fast we mean to be, if a target is set.
    target: float | None = None
    # The rank correlation that both must have; None for another recipe by the same name.
    required: float | None = EXACT
    # Fits that are averaged before they are compared.
    seeds: int = 1
    # Settings of the peer to choose the fastest from.
    settings: tuple = ("",)

    def bound(self, name):
        """The rank correlation required on a set."""
        return min(self.required, TIED) if (self.detector, name) == TIES else self.required


PAIRS = [
    Pair("knn", "pyod", THREE, 5),
    Pair("lof", "pyod", THREE, 5),
    Pair("abod", "pyod", THREE, 5),
    Pair("ee", "pyod", THREE, 5, RANDOM),
    Pair("knn", "sklearn", THREE, 1.5, settings=(*BRUTE, *TREES)),
    Pair("lof", "sklearn", THREE, 1.5, settings=(*BRUTE, *TREES)),
    Pair("iforest", "sklearn", THREE, 3, RANDOM, seeds=20),
    Pair("ocsvm", "sklearn", SMALL, 2, settings=tuple(CACHES)),
    Pair("ocsvm", "pyod", SMALL),
    Pair("sp", "pyod", THREE, None, RANDOM, seeds=100),
    Pair("ae", "pyod", THREE, None, None),
]


def prepare(pairs, arguments):
    """The peers in their own environment, and our side's binary."""
    python = Path(arguments.python or VENV / "bin" / "python")
    wanted = ["scikit-learn", "pyod", "threadpoolctl"]
    if any(pair.detector == "ae" for pair in pairs):
        wanted.append("torch")
    if not arguments.python:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        # Those that are there already are left as they are.
        subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    return python, build()


def about(python, threads):
    """Versions and matrix kernels of the peers, printed."""
    ignored = [name for name in DISTURBING if name in os.environ]
    if ignored:
        print(f"not passed on to the peers: {', '.join(ignored)}")
    with Contender([python, HERE / "peer.py"], threads) as peer:
        found = peer.ask("about")
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    print(versions, *found["kernels"], sep="\n", flush=True)
    return versions, "; ".join(found["kernels"])


def fastest(pair, setup, start, limit):
    """The peer's fastest setting by one run of each, and what they took."""
    if len(pair.settings) == 1:
        return pair.settings[0], ""
    seconds = {}
    for setting in pair.settings:
        # What is three times as slow as the fastest need not be waited for.
        cut = min([max(60, 3 * min(seconds.values()))] if seconds else [limit])
        with start() as peer:
            peer.ask(*setup, *setting.split())
            try:
                # The first run of a process compiles, or touches its memory first.
                warm = peer.ask("fit", 0, limit=cut)["seconds"]
                again = peer.ask("fit", 0, limit=cut)["seconds"] if warm < 10 else warm
                seconds[setting] = min(warm, again)
            except TimedOut:
                seconds[setting] = float("inf")
    tried = [f"{name} {report.seconds(s)}" for name, s in seconds.items()]
    return min(seconds, key=seconds.get), "; ".join(tried)


def compare(pair, ours, theirs, folder, limit):
    """One fit of each, or several, and how well their scores agree."""
    files, firsts = [], None
    for seed in range(pair.seeds):
        times = turn(pair, ours, theirs, seed, limit)
        firsts = firsts or times
        files.append(Path(folder, f"{seed}.f64"))
        ours.ask("scores", files[-1])
    return firsts, theirs.ask("agree", *files)


def turn(pair, ours, theirs, seed, limit):
    """Seconds of a fit with its scores: ours, theirs."""
    first = ours.ask("fit", pair.detector, seed)["seconds"]
    return first, theirs.ask("fit", seed, limit=limit)["seconds"]


def rounds(first, arguments):
    """How many rounds the budget allows."""
    if arguments.rounds:
        return arguments.rounds
    return min(max(round(arguments.budget / sum(first)), 3), 7)


def measure(pair, name, folder, tools, arguments):
    """A pair on a set, as a row of results.csv."""
    python, binary = tools
    file = rows(python, folder, name, arguments.quick)
    limit = arguments.limit
    setup = ["setup", file, f"{pair.peer}-{pair.detector}", arguments.threads]

    def start():
        return Contender([python, HERE / "peer.py"], arguments.threads)

    with Contender([binary], arguments.threads) as ours:
        shape = ours.ask("read", file, "all")
        # Before the peer's settings are tried, which may take minutes.
        ours.ask("fit", pair.detector, 0)
        setting, tried = fastest(pair, setup, start, limit)
        row = shape | {"detector": pair.detector, "peer": pair.peer, "setting": setting}
        row |= {"tried": tried, "target": pair.target or "", "required": pair.bound(name) or ""}
        with start() as theirs:
            theirs.ask(*setup, *setting.split())
            try:
                first, agreement = compare(pair, ours, theirs, folder, limit)
            except TimedOut:
                alone = [ours.ask("fit", pair.detector, seed)["seconds"] for seed in range(3)]
                times = [(seconds, limit) for seconds in alone]
                nothing = dict.fromkeys(["spearman", "itself", "left_out", "theirs_mib"], "")
                row |= summary(times) | nothing | {"ours_mib": ours.peak(), "status": "stopped"}
                return row
            if first[1] > SLOW:
                times = [first, turn(pair, ours, theirs, 1, limit)]
            else:
                n = rounds(first, arguments)
                times = [turn(pair, ours, theirs, seed, limit) for seed in range(n)]
            row |= summary(times) | agreement
            row |= {"ours_mib": ours.peak(), "theirs_mib": theirs.peak(), "status": "ok"}
    return row


def summary(times):
    """Medians over the rounds, and the range of the ratios round by round."""
    ours, theirs = zip(*times)
    ratios = [b / a for a, b in times]
    return {
        "rounds": len(times),
        "ours_seconds": statistics.median(ours),
        "ours_fastest": min(ours),
        "ours_slowest": max(ours),
        "theirs_seconds": statistics.median(theirs),
        "theirs_fastest": min(theirs),
        "theirs_slowest": max(theirs),
        "ratio": statistics.median(theirs) / statistics.median(ours),
        "ratio_lowest": min(ratios),
        "ratio_highest": max(ratios),
    }


def chosen(arguments):
    """The pairs and sets asked for."""

    def asked(words, there):
        words = [word for word in words.split(",") if word] or there
        unknown = [word for word in words if word not in there]
        if unknown:
            raise SystemExit(f"unknown: {', '.join(unknown)}; there are: {', '.join(there)}")
        return words

    detectors = asked(arguments.only, list(dict.fromkeys(p.detector for p in PAIRS)))
    peers = asked(arguments.peers, ["pyod", "sklearn"])
    # Names of sets have commas of their own.
    sets = arguments.sets or [*THREE, *SMALL]
    if unknown := [name for name in sets if name not in THREE | SMALL]:
        raise SystemExit(f"unknown: {unknown}; there are: {', '.join(THREE | SMALL)}")
    pairs = [p for p in PAIRS if p.detector in detectors and p.peer in peers]
    return pairs, sets


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", default="", help="detectors, such as knn,lof")
    parser.add_argument("--peers", default="", help="pyod, sklearn")
    parser.add_argument("--sets", nargs="*", help="such as shuttle-like 20,000x100")
    parser.add_argument("--rounds", type=int, help="instead of as many as fit the budget, 3 to 7")
    parser.add_argument("--budget", type=float, default=180, help="seconds of a pair's rounds")
    parser.add_argument("--limit", type=float, default=1800, help="seconds of one run of a peer")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--python", help="an environment with the peers, instead of our own")
    parser.add_argument("--again", action="store_true", help="measure finished pairs once more")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows, not kept")
    parser.add_argument("--table-only", action="store_true", help="only rewrite RESULTS.md")
    arguments = parser.parse_args()
    if arguments.table_only:
        return report.write()
    pairs, sets = chosen(arguments)
    tools = prepare(pairs, arguments)
    versions, kernels = about(tools[0], arguments.threads)
    notes = {"versions": versions, "kernels": kernels, "machine": machine(arguments.threads)}
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for pair in pairs:
            for name in (name for name in sets if name in pair.sets):
                key = {"set": name, "detector": pair.detector, "peer": pair.peer}
                if not (arguments.again or arguments.quick) and report.has(key):
                    continue
                try:
                    found = measure(pair, name, folder, tools, arguments)
                except Refused as reason:
                    print(f"{pair.detector} beside {pair.peer} on {name}: {reason}", flush=True)
                    failed = True
                    continue
                found = key | found | notes
                print(report.line(found), flush=True)
                if not arguments.quick:
                    report.keep(found)
    if not arguments.quick:
        report.write()
    return 1 if failed else 0


def rows(python, folder, name, quick):
    """A set's rows in a file, the same for everyone."""
    n = (THREE | SMALL)[name] // (10 if quick else 1)
    file = Path(folder, f"{name}.npy")
    if not file.exists():
        subprocess.run([python, HERE / "sets.py", name, str(n), file], check=True)
    return file


if __name__ == "__main__":
    sys.exit(main())
