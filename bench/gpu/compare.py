"""Our engine on a card beside PyTorch on the same card: see run.sh, which calls this.

All start from the same rows, first weights and first batches. Nothing is timed before the
first losses, and the scores after them, agree within 1e-3 with our engine on the processor.
Then the contenders take turns; numbers are medians over the rounds. A stretch of our training
ends with a copy of all parameters back to the processor, which is part of its time.
"""

import argparse
import json
import platform
import random
import statistics
import struct
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEER = HERE.parent / "engine" / "peer.py"
ROWS = 8192
PARITY = 1e-3


class Contender:
    """A process that answers one line of words with one line of JSON."""

    def __init__(self, *command):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args} stopped at: {words}")
        return json.loads(line)


def start(arguments, folder):
    """Everyone, set up. Our processor's engine leaves the weights and batches for all."""
    network = [folder, arguments.d, arguments.hidden, "diagonal", arguments.batch]
    contenders = {"qualm cpu": Contender(arguments.binary)}
    batches = contenders["qualm cpu"].ask("setup", *network)["batches"]
    Path(folder, "batches.json").write_text(json.dumps(batches))
    ours = contenders[f"qualm {arguments.device}"] = Contender(arguments.binary)
    ours.ask("setup", *network, arguments.device)
    if not arguments.dry:
        for mode in ["eager", "fused", "compile"]:
            peer = contenders[f"PyTorch {mode}"] = Contender(sys.executable, PEER, "1")
            peer.ask("setup", *network, mode, "cuda")
    return contenders


def apart(found, expected):
    return max(abs(a - b) / abs(b) for a, b in zip(found, expected))


def check(contenders):
    """How far each is from our processor; beyond a thousandth nothing is timed."""
    answers = {
        name: (c.ask("train", 3)["losses"], c.ask("score", 64, 1)["scores"])
        for name, c in contenders.items()
    }
    losses, scores = answers["qualm cpu"]
    rows = []
    for name, (their_losses, their_scores) in answers.items():
        row = name, apart(their_losses, losses), apart(their_scores, scores)
        print(*row, flush=True)
        if max(row[1:]) > PARITY:
            raise SystemExit(f"{name} does not agree: {answers[name]}, expected {answers['qualm cpu']}")
        rows.append(row)
    return rows


def measure(contenders, arguments):
    """Median seconds of a step and of scoring a row, by contender."""
    times = {name: ([], []) for name in contenders if name != "qualm cpu"}
    for turn in range(arguments.rounds + 1):
        for name, (steps, rows) in times.items():
            trained = contenders[name].ask("train", arguments.steps)["seconds"]
            scored = contenders[name].ask("score", ROWS, arguments.scorings)["seconds"]
            # The first turn compiles kernels.
            if turn > 0:
                steps.append(trained / arguments.steps)
                rows.append(scored / arguments.scorings / ROWS)
    return {name: tuple(map(statistics.median, pair)) for name, pair in times.items()}


def say(command):
    try:
        return subprocess.check_output(command, text=True).strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def report(agreement, times, arguments):
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    torch = say([sys.executable, "-c", "import torch; print(torch.__version__)"])
    commit = say(["git", "rev-parse", "--short", "HEAD"])
    lines = [
        "# The paper's network on a card\n",
        f"{date.today()}, commit {commit}, written by `bench/gpu/run.sh`. {say(query)};",
        f"PyTorch {torch} in full float32; {platform.machine()}, {say(['rustc', '--version'])}.",
        f"{arguments.d} -> {arguments.hidden} -> {arguments.hidden} -> {arguments.d}, batch"
        f" {arguments.batch}, medians over {arguments.rounds} turns of {arguments.steps} steps.\n",
        "| contender | ms a step | scored rows a second |",
        "|---|---:|---:|",
    ]
    for name, (step, row) in times.items():
        lines.append(f"| {name} | {1e3 * step:.3f} | {1 / row:,.0f} |")
    lines += [
        "\nLargest relative difference from our engine on the processor:\n",
        "| contender | losses of three steps | scores after them |",
        "|---|---:|---:|",
    ]
    lines += [f"| {name} | {loss:.1e} | {score:.1e} |" for name, loss, score in agreement]
    (HERE / "RESULTS.md").write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--d", type=int, default=617)
    parser.add_argument("--hidden", type=int, default=4096)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=500, help="in a turn")
    parser.add_argument("--scorings", type=int, default=20, help=f"of {ROWS} rows, in a turn")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dry", action="store_true", help="no PyTorch, nothing written")
    arguments = parser.parse_args()
    draw = random.Random(0).random
    with tempfile.TemporaryDirectory() as folder:
        values = (draw() for _ in range(ROWS * arguments.d))
        Path(folder, "rows.f32").write_bytes(b"".join(struct.pack("<f", v) for v in values))
        contenders = start(arguments, folder)
        agreement = check(contenders)
        times = measure(contenders, arguments)
    print(json.dumps(times, indent=1))
    if not arguments.dry:
        report(agreement, times, arguments)


main()
