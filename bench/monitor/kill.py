"""Kills `qualm monitor --follow` at random moments and compares what is left with an undisturbed run.

A file grows by 200 batches of rows; the monitor follows it with a state and a command for alarms; 40 times it is
killed (SIGKILL) after a random time, and started again. At the end the state must be that of one run over the whole
file, to the byte, and the alarm must have been told. Needs a `qualm` binary and NumPy.

    python bench/monitor/kill.py --qualm target/release/qualm [--streams]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

BATCHES = 200
ROWS = 50
KILLS = 40
DIMENSIONS = 16
# Between two batches, in seconds: longer than the monitor gathers rows into one of its own.
PAUSE = 0.6


def table(rows: np.ndarray, first: int = 0) -> str:
    """Rows as CSV lines, each with the stream that it is of."""
    lines = []
    for i, row in enumerate(rows, first):
        lines.append(f"camera {i % 3}," + ",".join(f"{v:.6f}" for v in row) + "\n")
    return "".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--qualm", type=Path, required=True)
    parser.add_argument("--streams", action="store_true", help="three streams instead of one")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    chance = random.Random(args.seed)
    rng = np.random.default_rng(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        report = trial(args, chance, rng, Path(folder))
    print(json.dumps(report, indent=2))
    if not (report["same_state"] and report["told"] >= 1):
        raise SystemExit(1)


def trial(args, chance: random.Random, rng: np.random.Generator, folder: Path) -> dict:
    header = "camera," + ",".join(f"x{j}" for j in range(DIMENSIONS)) + "\n"
    draw = lambda n: rng.normal(size=(n, DIMENSIONS))
    for name in ("usual", "held_out"):
        (folder / f"{name}.csv").write_text(header + table(draw(2000)))
    qualm = str(args.qualm.resolve())
    fit = [qualm, "fit", "usual.csv", "--detector", "knn", "--exclude", "camera", "--clean", "-o", "m.qualm", "--quiet"]
    subprocess.run(fit, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    log = folder / "log.csv"
    log.write_text(header)
    watch = [qualm, "monitor", "m.qualm", "log.csv", "--reference", "held_out.csv", "--sequential"]
    watch += ["--stream", "camera"] if args.streams else []
    follow = [*watch, "--state", "watch.state", "--metrics", "watch.prom", "--follow", "--quiet"]
    follow += ["--on-alarm", "cat >> alarms.jsonl"]
    start = lambda: subprocess.Popen(follow, cwd=folder, stdout=subprocess.DEVNULL)
    # When to kill, in batches: anywhere in one, before it has counted or after.
    moments = sorted(chance.uniform(0, BATCHES) for _ in range(KILLS))
    process, states = start(), set()
    for batch in range(BATCHES):
        rows = draw(ROWS)
        if batch >= BATCHES // 2:
            rows += 0.7
        with log.open("a") as out:
            out.write(table(rows, batch * ROWS))
        began = time.monotonic()
        while moments and moments[0] < batch + 1:
            share = moments.pop(0) - batch
            time.sleep(max(0.0, began + share * PAUSE - time.monotonic()))
            process.kill()
            process.wait()
            state = folder / "watch.state"
            states.add(hashlib.sha256(state.read_bytes()).hexdigest() if state.exists() else "")
            process = start()
        time.sleep(max(0.0, began + PAUSE - time.monotonic()))
    wait_for_rows(folder / "watch.prom", process)
    process.terminate()
    code = process.wait()
    whole = subprocess.run([*watch, "--state", "whole.state", "--json"], cwd=folder, capture_output=True)
    told = folder / "alarms.jsonl"
    alarms = [json.loads(line) for line in told.read_text().splitlines()] if told.exists() else []
    report = json.loads(whole.stdout)
    return {
        "batches": BATCHES,
        "rows": BATCHES * ROWS,
        "kills": KILLS,
        "states_found_after_kills": len(states),
        "same_state": (folder / "watch.state").read_bytes() == (folder / "whole.state").read_bytes(),
        "bytes": (folder / "whole.state").stat().st_size,
        "exit_codes": [code, whole.returncode],
        "alarms": sum(s["n_alarms"] for s in report.get("streams", [report.get("sequential")])),
        # Once each, unless a kill falls between the command and the state that knows of it.
        "told": len(alarms),
        "told_rows": sorted({(a.get("stream", ""), a["row"]) for a in alarms}),
    }


def wait_for_rows(metrics: Path, process: subprocess.Popen) -> None:
    """Waits until all rows have counted."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        lines = metrics.read_text().splitlines() if metrics.exists() else []
        counted = [float(line.split()[-1]) for line in lines if line.startswith("qualm_rows_total{")]
        if sum(counted) == BATCHES * ROWS:
            return
        time.sleep(0.05)
    raise SystemExit(f"the rows have not counted; exit code {process.poll()}")


if __name__ == "__main__":
    main()
