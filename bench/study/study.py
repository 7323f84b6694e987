"""Which detector ranks outliers best without labels, over labelled sets and two protocols.

    QUALM_DATA=DIR just study [--kinds oddbench] [--protocols clean] [--half A]
                              [--only 'dum default;knn'] [--seeds 5] [--again] [--table-only]

Every contender of `variants.py` is fitted to every labelled set of DIR/table2 and DIR/extra (the
tables), DIR/embeddings and DIR/oddbench; labels measure and do nothing else. One thread a process.
Runs are kept in `results.parquet` after every set and not run again, unless the contender's keys
have changed or `--again` asks for it, as after a change of the engine. The tables of `RESULTS.md`
are made from that file. Needs `requirements.txt`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path
from queue import Queue
from threading import Lock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from contender import ROOT, Contender, Refused, TimedOut, build, machine  # noqa: E402

import report  # noqa: E402
from sets import FOLDERS, PROTOCOLS, auroc, sets, split  # noqa: E402
from variants import contenders  # noqa: E402

RESULTS = HERE / "results.parquet"


def words(keys):
    """Keys as the other side reads them."""
    return [f"{key}={v if isinstance(v, str) else json.dumps(v)}" for key, v in keys.items()]


def known(binary, protocols):
    """The contenders that this build has, by protocol, with the keys that the protocol adds."""
    found, left_out = {protocol: [] for protocol in protocols}, {}
    with Contender([binary], 1) as ours:

        def takes(one):
            try:
                return not one.ours or ours.ask("check", one.detector, *words(one.keys))
            except Refused as reason:
                # Up to the detectors, keys or words that would be right.
                told = str(reason).split("expected")[0].split(": unknown field")[-1]
                left_out.setdefault(told.strip(" ,;:"), []).append(one.name)
                return False

        for one in filter(takes, contenders()):
            for protocol in protocols:
                told = replace(one, keys=one.keys | {"reference": "clean"})
                clean = protocol == "clean" and one.ours and takes(told)
                found[protocol].append(told if clean else one)
    for reason, names in left_out.items():
        print(f"not in this build ({reason}): {'; '.join(names)}", flush=True)
    return found


class Results:
    """All runs so far, written whole after every set."""

    def __init__(self, path=RESULTS):
        self.path = path
        rows = pq.read_table(path).to_pylist() if path.exists() else []
        self.rows = {self.key(row): row for row in rows}
        self.lock = Lock()

    @staticmethod
    def key(row):
        return tuple(row[name] for name in ["kind", "set", "protocol", "contender", "seed"])

    def misses(self, run, again):
        """Whether there is no result of a run; that of other keys is dropped."""
        key = self.key(run)
        if again or self.rows.get(key, {}).get("keys") != run["keys"]:
            self.rows.pop(key, None)
            return True
        return False

    def keep(self, rows):
        with self.lock:
            self.rows |= {self.key(row): row for row in rows}
            ordered = [self.rows[key] for key in sorted(self.rows)]
            new = self.path.with_suffix(".new")
            pq.write_table(pa.Table.from_pylist(ordered), new, compression="zstd")
            new.replace(self.path)


class Progress:
    """What is left and how long it takes, by what such runs have taken so far."""

    def __init__(self, runs, jobs):
        self.left = Counter(map(self.like, runs))
        self.total, self.jobs = len(runs), jobs
        self.count, self.spent = Counter(), Counter()
        self.lock = Lock()

    @staticmethod
    def like(run):
        return run["kind"], run["contender"]

    def done(self, run, seconds):
        with self.lock:
            like = self.like(run)
            self.left[like] -= 1
            self.count[like] += 1
            self.spent[like] += seconds

    def __str__(self):
        with self.lock:
            done = self.count.total()
            average = self.spent.total() / max(done, 1)
            left = sum(
                n * (self.spent[like] / self.count[like] if self.count[like] else average)
                for like, n in self.left.items()
            )
        return f"{done:,} of {self.total:,} runs, about {left / self.jobs / 60:.0f} minutes left"


class Sides:
    """Ours and PyOD, each started when it is first asked, with the rows of one set at a time."""

    def __init__(self, binary, limit):
        self.commands = {True: [binary], False: [sys.executable, HERE / "consensus.py"]}
        self.started, self.limit = {}, limit
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self.temporary.name)

    def take(self, parts):
        """The rows of the next runs."""
        self.outlier, self.without = parts.outlier, {True, False}
        self.new = [] if parts.new is None else [self.folder / "new.npy"]
        np.save(self.folder / "fitted.npy", parts.fitted)
        for file in self.new:
            np.save(file, parts.new)

    def side(self, ours):
        """One of the two, which has the rows."""
        if ours not in self.started:
            self.started[ours] = Contender(self.commands[ours], 1)
            self.without.add(ours)
        if ours in self.without:
            self.started[ours].ask("read", self.folder / "fitted.npy", "all")
            self.without.discard(ours)
        return self.started[ours]

    def run(self, contender, seed):
        """One fit: its AUROC, the seconds of the fit, and how it ended."""
        ours, scores = contender.ours, self.folder / "scores.f64"
        row = {"auroc": None, "seconds": None}
        try:
            fit = ["fit", contender.detector, seed, *words(contender.keys)]
            row["seconds"] = self.side(ours).ask(*fit, limit=self.limit)["seconds"]
            self.side(ours).ask("scores", scores, *self.new, limit=self.limit)
        except (Refused, TimedOut) as reason:
            if isinstance(reason, TimedOut):
                self.started[ours].process.wait()
                reason = f"over {self.limit} seconds"
            if self.started[ours].process.poll() is not None:
                del self.started[ours]
            return row | {"status": str(reason)}
        found = np.fromfile(scores, np.float64)
        if not np.isfinite(found).all():
            return row | {"status": "scores that are not finite"}
        return row | {"auroc": auroc(self.outlier, found), "status": "ok"}

    def close(self):
        for side in self.started.values():
            side.close()
        self.temporary.cleanup()


def study(one, protocol, wanted, free, results, progress, arguments):
    """Some runs on one set under one protocol. `wanted`: contender, and the row of its run."""
    parts = split(one, protocol)
    if not parts.outlier.any():
        print(f"{one.name} {protocol}: no outlier among the scored rows, left out", flush=True)
        return
    shape = {"n": len(parts.fitted), "d": parts.fitted.shape[1]}
    shape |= {"scored": len(parts.outlier), "outliers": int(parts.outlier.sum())}
    sides, found = free.get(), []
    try:
        sides.take(parts)
        for contender, run in wanted:
            started = time.perf_counter()
            found.append(run | shape | sides.run(contender, run["seed"]) | arguments.origin)
            progress.done(run, time.perf_counter() - started)
    finally:
        free.put(sides)
        results.keep(found)
    print(f"{one.kind} {one.name} {protocol}: {len(found)}; {progress}", flush=True)


def work(binary, results, arguments):
    """Sets with their missing runs: the first seed of all, then the others."""
    found = known(binary, arguments.protocols)
    data = os.environ["QUALM_DATA"]
    chosen = [one for kind in arguments.kinds for one in sets(data, kind)]
    chosen = [one for one in chosen if one.half in arguments.half]
    for first, one, protocol in product([True, False], chosen, arguments.protocols):
        wanted = []
        for contender in found[protocol]:
            if arguments.only and contender.name not in arguments.only:
                continue
            run = {"kind": one.kind, "set": one.name, "half": one.half, "protocol": protocol}
            run |= {"contender": contender.name, "detector": contender.detector}
            run |= {"keys": json.dumps(contender.keys)}
            seeds = range(arguments.seeds or contender.seeds(one.kind))
            for seed in seeds[:1] if first else seeds[1:]:
                if results.misses(run | {"seed": seed}, arguments.again):
                    wanted.append((contender, run | {"seed": seed}))
        if wanted:
            yield one, protocol, wanted


def measure(arguments):
    """All that is missing."""
    if "QUALM_DATA" not in os.environ:
        raise SystemExit("QUALM_DATA names no folder")
    describe = ["git", "describe", "--always", "--dirty"]
    revision = subprocess.check_output(describe, cwd=ROOT, text=True).strip()
    arguments.origin = {"machine": machine(1), "revision": revision}
    binary, results = build(), Results()
    todo = list(work(binary, results, arguments))
    progress = Progress([run for _, _, wanted in todo for _, run in wanted], arguments.jobs)
    print(f"{progress.total:,} runs", flush=True)
    free = Queue()
    for _ in range(arguments.jobs):
        free.put(Sides(binary, arguments.limit))
    with ThreadPoolExecutor(arguments.jobs) as pool:
        try:
            rest = free, results, progress, arguments
            for each in [pool.submit(study, *each, *rest) for each in todo]:
                each.result()
        finally:
            # After Ctrl-C what runs is kept, and nothing new is begun.
            pool.shutdown(cancel_futures=True)
            while not free.empty():
                free.get().close()


def several(known):
    """An option's value: some of the known words."""

    def parse(text):
        found = text.split(",")
        if unknown := [word for word in found if word not in known]:
            message = f"unknown: {', '.join(unknown)}; there are: {', '.join(known)}"
            raise argparse.ArgumentTypeError(message)
        return found

    return parse


def main():
    names = [contender.name for contender in contenders()]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--kinds", type=several(FOLDERS), default=list(FOLDERS), help=", ".join(FOLDERS))
    add("--protocols", type=several(PROTOCOLS), default=PROTOCOLS, help=", ".join(PROTOCOLS))
    help_half = "A or B: only these sets, in the tables too"
    add("--half", type=several(["A", "B"]), default=["A", "B"], help=help_half)
    add("--only", default="", help="contenders, separated by semicolons")
    add("--seeds", type=int, help="in place of those of variants.py")
    add("--limit", type=int, default=300, help="seconds of a fit; what takes longer is no result")
    add("--jobs", type=int, default=os.cpu_count(), help="processes at a time")
    add("--again", action="store_true", help="forget finished runs and measure them anew")
    add("--table-only", action="store_true", help="only rewrite RESULTS.md")
    arguments = parser.parse_args()
    arguments.only = [name.strip() for name in arguments.only.split(";") if name.strip()]
    if unknown := [name for name in arguments.only if name not in names]:
        parser.error(f"unknown: {'; '.join(unknown)}; there are: {'; '.join(names)}")
    if not arguments.table_only:
        measure(arguments)
    if not RESULTS.exists():
        raise SystemExit(f"nothing has been measured: there is no {RESULTS}")
    rows = [row for row in pq.read_table(RESULTS).to_pylist() if row["half"] in arguments.half]
    report.write(rows, HERE / "RESULTS.md")


if __name__ == "__main__":
    main()
