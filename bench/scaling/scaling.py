"""How the cost of every detector grows with the number of rows.

    QUALM_DATA=DIR python3 bench/scaling/scaling.py [--detectors knn,lof] [--sets kdd1999]
                                                    [--sizes 1000,3000] [--again] [--table-only]

Fits each detector's default preset to seeded samples of two real sets, one process a point,
and scores the same rows again as new ones. A point is added to `results.csv` as soon as it is
measured and not measured again without `--again`; after a time-out the larger sizes of that
detector are not tried. Then the tables and curves of `docs/scaling.md` are made from that file.
"""

import argparse
import os
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from contender import Contender, Refused, TimedOut, build, machine  # noqa: E402

import report  # noqa: E402

SETS = {"kdd1999": 494_021, "covertype": 286_048}
SIZES = [1_000, 3_000, 10_000, 30_000, 100_000, 200_000, 300_000, 400_000]
# Quicker points than this are measured three times, in three processes.
QUICK = 5


def measure(binary, file, size, detector, arguments):
    """One process: reads the sample, fits, scores. Never raises for what the point itself did."""
    row = dict.fromkeys(["fit_seconds", "score_seconds", "peak_mib", "steps", "kinds"], "")
    row["status"] = "ok"
    with Contender([binary], arguments.threads) as ours:
        row |= ours.ask("read", file, size, "label")
        row["read_mib"] = ours.peak()
        try:
            fit = ours.ask("fit", detector, 0, limit=arguments.timeout)
            row["fit_seconds"] = fit["seconds"]
            row |= {"steps": fit["steps"], "kinds": " ".join(fit["kinds"])}
            row["peak_mib"] = ours.peak()
            row["score_seconds"] = ours.ask("score", limit=arguments.timeout)["seconds"]
            row["peak_mib"] = ours.peak()
        except TimedOut:
            what = "fit" if row["fit_seconds"] == "" else "score"
            row["status"] = f"{what} stopped after {arguments.timeout:g} s"
        except Refused as reason:
            row["status"] = str(reason)
    return row


def point(binary, file, size, detector, arguments):
    """The median of three where that costs little."""
    runs = [measure(binary, file, size, detector, arguments)]
    if runs[0]["status"] == "ok" and runs[0]["fit_seconds"] < QUICK:
        runs += [measure(binary, file, size, detector, arguments) for _ in range(2)]
    row = runs[0] | {"runs": len(runs)}
    if len(runs) > 1:
        for key in ["fit_seconds", "score_seconds", "peak_mib"]:
            row[key] = statistics.median(run[key] for run in runs)
    return row


def sizes(name, asked):
    """The sizes of a set, all of its rows the last."""
    smaller = [n for n in asked or SIZES if n < SETS[name]]
    return smaller if asked else [*smaller, "all"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--detectors", default="", help="such as knn,lof; all without")
    parser.add_argument("--sets", default=",".join(SETS), help=", ".join(SETS))
    parser.add_argument("--sizes", default="", help="such as 1000,3000; up to all rows without")
    parser.add_argument("--timeout", type=float, default=900, help="seconds of a fit or scoring")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--again", action="store_true", help="measure finished points once more")
    parser.add_argument("--quick", action="store_true", help="nothing written")
    parser.add_argument("--table-only", action="store_true", help="only rewrite docs/scaling.md")
    arguments = parser.parse_args()
    if arguments.table_only:
        return report.write()
    if "QUALM_DATA" not in os.environ:
        raise SystemExit("QUALM_DATA names no folder")
    folder = Path(os.environ["QUALM_DATA"], "table2")
    asked = [int(size) for size in arguments.sizes.split(",") if size]
    sets = arguments.sets.split(",")
    if unknown := [name for name in sets if name not in SETS]:
        raise SystemExit(f"unknown: {', '.join(unknown)}; there are: {', '.join(SETS)}")
    binary = build()
    with Contender([binary], arguments.threads) as ours:
        there = ours.ask("detectors")["detectors"]
    detectors = [name for name in arguments.detectors.split(",") if name] or there
    if unknown := [name for name in detectors if name not in there]:
        raise SystemExit(f"unknown: {', '.join(unknown)}; there are: {', '.join(there)}")
    notes = {"machine": machine(arguments.threads)}
    for name in sets:
        for detector in detectors:
            for size in sizes(name, asked):
                key = {"set": name, "detector": detector, "size": str(size)}
                row = None if arguments.again or arguments.quick else report.find(key)
                if row is None:
                    file = folder / f"{name}.parquet"
                    row = key | point(binary, file, size, detector, arguments) | notes
                    print(report.line(row), flush=True)
                    if not arguments.quick:
                        report.keep(row)
                if "stopped" in row["status"]:
                    break
    if not arguments.quick:
        report.write()


if __name__ == "__main__":
    main()
