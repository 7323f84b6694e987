"""Our residual networks beside PyTorch on the processor, in turns, in one run.

    python3 bench/vision/bench.py [--rounds 12] [--only resnet20-b] [--threads 1,2]
                                  [--isa avx512|avx2] [--without compile] [--quick]

Makes a virtual environment of its own for PyTorch (or uses the Python that QUALM_TORCH names),
builds the Rust side, and starts one process for each contender. They take turns, round after
round; each turn is a short stretch of training steps, then one of inference. Times are the least
of all rounds: what else the machine does only adds. Before anything is timed, the first loss must
agree to four digits, and two more as well as PyTorch's agree among themselves. Writes `results.csv` and the tables of `RESULTS.md`; `--report` only the
latter.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import contender  # noqa: E402
import report  # noqa: E402

VENV = HERE / ".venv"
CONTENDERS = ["qualm", "eager", "channels_last", "compile"]
NETWORKS = {"resnet20-b": 128, "resnet18-cifar": 64}
TICKS = os.sysconf("SC_CLK_TCK")
# What makes each side use the vectors of an older processor.
OLDER = {
    "avx2": {
        "QUALM_CONV_ISA": "avx2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    }
}


def prepare():
    """PyTorch in its own environment, and the Rust side's binary."""
    python = os.environ.get("QUALM_TORCH")
    if not python:
        python = VENV / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
            subprocess.run([python, "-m", "pip", "install", "-q", "torch", "numpy"], check=True)
    return python, contender.build("resnet", "internals")


class Contender(contender.Contender):
    """A contender whose processor time is measured as well."""

    def ask(self, *words):
        """The answer, with the processor seconds that it took."""
        before = self.cpu()
        answer = super().ask(*words)
        return answer | {"cpu": self.cpu() - before}

    def cpu(self):
        """Processor seconds so far, of all threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def compare(python, binary, network, threads, arguments):
    """Least times of one network, as rows of results.csv."""
    batch = NETWORKS[network]
    os.environ.update(OLDER.get(arguments.isa, {}))
    # About half a second of training a turn, and a quarter of inference.
    n_steps, n_inferences = (2, 3) if network == "resnet20-b" else (1, 1)
    names = [name for name in CONTENDERS if name not in arguments.without.split(",")]
    times = {}
    with tempfile.TemporaryDirectory() as folder:
        contenders = {}
        for name in names:
            if name == "qualm":
                contenders[name] = Contender([binary], threads)
                contenders[name].ask("setup", folder, network, batch)
            else:
                contenders[name] = Contender([python, HERE / "peer.py", str(threads)], threads)
                contenders[name].ask("setup", folder, network, batch, name)
        losses = {name: process.ask("train", 3)["losses"] for name, process in contenders.items()}
        agree(losses)
        for process in contenders.values():
            process.ask("infer", 1)
        for _ in range(arguments.rounds):
            for name, process in contenders.items():
                for task, n in [("train", n_steps), ("infer", n_inferences)]:
                    answer = process.ask(task, n)
                    # The peers read a finer clock of their own.
                    times.setdefault((name, task), []).append(
                        (answer["seconds"] / n, answer["cpu"] / n)
                    )
        peaks = {name: process.peak() for name, process in contenders.items()}
        for process in contenders.values():
            process.close()
    return [
        {
            "network": network,
            "batch": batch,
            "threads": threads,
            "isa": arguments.isa,
            "task": task,
            "contender": name,
            "rounds": len(pairs),
            "seconds": f"{min(wall for wall, _ in pairs):.6f}",
            # Clock ticks are coarse: their mean over all rounds.
            "cpu_seconds": f"{sum(cpu for _, cpu in pairs) / len(pairs):.6f}",
            "peak_mib": peaks[name],
        }
        for (name, task), pairs in times.items()
    ]


def agree(losses):
    """Stops if the first losses differ, or later ones by more than PyTorch's among themselves.

    Rounding decides which rectifiers are open, and each step doubles what that makes: PyTorch's own
    layouts part in the third digit after two steps of ResNet-18.
    """
    ours = losses["qualm"]
    peers = [theirs for name, theirs in losses.items() if name != "qualm"]
    for step, mine in enumerate(ours):
        others = [theirs[step] for theirs in peers]
        spread = max(others) - min(others) if step > 0 else 0.0
        allowed = spread + 1e-4 * abs(mine)
        if not min(others) - allowed <= mine <= max(others) + allowed:
            raise SystemExit(f"losses differ in step {step + 1}: {losses}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--only", default="", help="one network; the other keeps its results")
    parser.add_argument("--isa", default="avx512", choices=["avx512", "avx2"])
    parser.add_argument("--without", default="", help="contenders to leave out, such as compile")
    parser.add_argument("--quick", action="store_true", help="3 rounds, nothing written")
    parser.add_argument("--report", action="store_true", help="only the tables, from results.csv")
    arguments = parser.parse_args()
    results = HERE / "results.csv"
    if arguments.report:
        return report.write(results)
    if arguments.quick:
        arguments.rounds = 3
    python, binary = prepare()
    version = [python, "-c", "import torch; print(torch.__version__)"]
    torch = subprocess.check_output(version, text=True).strip()
    machine = contender.machine(arguments.threads) + f"; PyTorch {torch}"
    rows = []
    for network in NETWORKS:
        if arguments.only not in ("", network):
            continue
        for threads in map(int, arguments.threads.split(",")):
            found = compare(python, binary, network, threads, arguments)
            print(report.line(found), flush=True)
            rows += [row | {"machine": machine} for row in found]
    if arguments.quick:
        return None
    old = []
    if results.exists():
        with open(results, newline="") as file:
            old = list(csv.DictReader(file))
    fresh = {report.key(row) for row in rows}
    rows = [row for row in old if report.key(row) not in fresh] + rows
    contender.write_csv(results, list(rows[0]), rows)
    return report.write(results)


main()
