"""Our training engine beside PyTorch on the processor, in turns, in one run.

    python3 bench/engine/bench.py [--rounds 7] [--only d=32,h=4096] [--tag avx2] [--quick]

Makes a virtual environment of its own for PyTorch, builds the Rust side, and for every
shape starts one process for each contender. They take turns, round after round, so that
what the machine does meanwhile hits all alike; each turn is a stretch of training steps,
then one of scoring. Before anything is timed, the first three losses must agree. Writes
`results.csv` and the tables of `RESULTS.md`.
"""

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import contender  # noqa: E402
import report  # noqa: E402

VENV = HERE / ".venv"
CONTENDERS = ["qualm", "eager", "fused"]
DIMENSIONS = [8, 32, 617]
WIDTHS = [256, 1024, 4096]
TICKS = os.sysconf("SC_CLK_TCK")


def shapes():
    for h in WIDTHS:
        for d in DIMENSIONS:
            for covariance in ["diagonal", "circular"]:
                yield d, h, covariance, 256
    for d in [32, 617]:
        yield d, 4096, "diagonal", 512


def prepare():
    """PyTorch in its own environment, and the Rust side's binary."""
    python = VENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "torch", "numpy"], check=True)
    return python, contender.build("engine", "internals")


class Contender(contender.Contender):
    """A contender whose processor time is measured as well."""

    def ask(self, *words):
        """The answer, with the processor seconds that it took."""
        before = self.cpu()
        return super().ask(*words) | {"cpu": self.cpu() - before}

    def cpu(self):
        """Processor seconds so far, of all threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def products(d, h, out, batch):
    """(m, k, n) of every matrix product of a training step, and of scoring a batch."""
    forward = [(batch, d, h), (batch, h, h), (batch, h, out)]
    back = [(batch, out, h), (batch, h, h)]
    weights = [(h, batch, out), (h, batch, h), (d, batch, h)]
    return forward + back + weights, forward


def gflop(shapes):
    return sum(2 * m * k * n for m, k, n in shapes) / 1e9


def compare(python, binary, shape, arguments):
    """Medians over the rounds of one shape, as rows of results.csv."""
    d, h, covariance, batch = shape
    out = d if covariance == "diagonal" else 1
    step_products, score_products = products(d, h, out, batch)
    # About a third of a second a stretch at the 300 GFLOP/s of two cores.
    stretch = 0.1 if arguments.quick else 0.3
    n_steps = min(max(round(stretch * 300 / gflop(step_products)), 3), 400)
    n_scored = 8192 if h < 4096 else 2048
    n_scorings = max(round(stretch * 300 / (gflop(score_products) * n_scored / batch)), 1)
    with tempfile.TemporaryDirectory() as folder:
        make_rows(python, folder, d)
        contenders = {}
        for name in CONTENDERS:
            if name == "qualm":
                contenders[name] = Contender([binary], arguments.threads)
                setup = contenders[name].ask("setup", folder, d, h, covariance, batch)
                Path(folder, "batches.json").write_text(json.dumps(setup["batches"]))
            else:
                command = [python, HERE / "peer.py", str(arguments.threads)]
                contenders[name] = Contender(command, arguments.threads)
                contenders[name].ask("setup", folder, d, h, covariance, batch, name)
        losses = {name: c.ask("train", 3)["losses"] for name, c in contenders.items()}
        agree(losses)
        for process in contenders.values():
            process.ask("score", n_scored, 1)
        times = {}
        for _ in range(arguments.rounds):
            for name, process in contenders.items():
                answer = process.ask("train", n_steps)
                times.setdefault((name, "train"), []).append(
                    (answer["seconds"] / n_steps, answer["cpu"] / n_steps)
                )
                answer = process.ask("score", n_scored, n_scorings)
                rows = n_scored * n_scorings
                times.setdefault((name, "score"), []).append(
                    (answer["seconds"] / rows, answer["cpu"] / rows)
                )
            for name in ["qualm", "eager"]:
                for task, parts in [("train", step_products), ("score", score_products)]:
                    n = max(round(stretch / 3 * 300 / gflop(parts)), 2)
                    answers = [contenders[name].ask("product", *part, n) for part in parts]
                    per = n if task == "train" else n * batch
                    times.setdefault((f"product {name}", task), []).append(
                        tuple(sum(a[key] for a in answers) / per for key in ["seconds", "cpu"])
                    )
        peaks = {name: process.peak() for name, process in contenders.items()}
        for process in contenders.values():
            process.close()
    rows = []
    for (name, task), pairs in times.items():
        wall = sorted(pair[0] for pair in pairs)
        rows.append(
            {
                "d": d,
                "h": h,
                "covariance": covariance,
                "batch": batch,
                "task": task,
                "contender": name,
                "rounds": len(pairs),
                "seconds": statistics.median(wall),
                "fastest": wall[0],
                "slowest": wall[-1],
                "cpu_seconds": statistics.median(pair[1] for pair in pairs),
                "peak_mib": round(peaks.get(name, 0), 1) or "",
            }
        )
    return rows


def make_rows(python, folder, d):
    """8,192 rows of non-negative numbers, the same for everyone."""
    code = (
        "import numpy, sys; numpy.random.default_rng(0).random((8192, int(sys.argv[1])),"
        " numpy.float32).tofile(sys.argv[2])"
    )
    subprocess.run([python, "-c", code, str(d), Path(folder, "rows.f32")], check=True)


def agree(losses):
    ours = losses["qualm"]
    for name, theirs in losses.items():
        for ours_at, theirs_at in zip(ours, theirs):
            if abs(ours_at - theirs_at) > 1e-4 * abs(theirs_at):
                raise SystemExit(f"losses differ: qualm {ours}, {name} {theirs}")


def machine():
    model = next(
        (line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line),
        platform.processor(),
    )
    flags = next(line for line in open("/proc/cpuinfo") if line.startswith("flags"))
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "avx512": "avx512f" in flags,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "rustc": subprocess.check_output(["rustc", "--version"], text=True).strip(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="", help="such as d=32,h=4096; other shapes keep their results")
    parser.add_argument("--tag", default="", help="keeps the results of another machine beside the first's")
    parser.add_argument("--quick", action="store_true", help="short turns, nothing written")
    arguments = parser.parse_args()
    wanted = dict(part.split("=") for part in arguments.only.split(",") if part)
    python, binary = prepare()
    version = [python, "-c", "import torch; print(torch.__version__)"]
    torch = subprocess.check_output(version, text=True).strip()
    rows = []
    for shape in shapes():
        names = dict(zip(["d", "h", "covariance", "batch"], map(str, shape)))
        if any(names[key] != value for key, value in wanted.items()):
            continue
        found = compare(python, binary, shape, arguments)
        print(report.line(found), flush=True)
        rows += found
    if arguments.quick:
        return
    results = HERE / f"results{arguments.tag and '-' + arguments.tag}.csv"
    if wanted and results.exists():
        with open(results, newline="") as file:
            rows = report.merged(list(csv.DictReader(file)), rows)
    with open(results, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    with open(results, newline="") as file:
        rows = report.typed(csv.DictReader(file))
    notes = machine() | {"torch": torch, "threads": arguments.threads}
    report.write(rows, notes, arguments.tag)


main()
