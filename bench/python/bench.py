"""What the Python package costs over the Rust library, and what it promises about threads,
imports and Ctrl-C.

    python3 bench/python/bench.py [--rounds N] [--rows N]

Builds the wheel and the Rust side, installs the wheel into a virtual environment of its own, and
rewrites `RESULTS.md`. Both sides score the same rows with the same model, in turns.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from contender import ROOT, Contender, between_marks, build, machine, table  # noqa: E402

VENV = HERE / ".venv"
COLUMNS = 64
FITTED = 20_000
DETECTORS = ["dum", "iforest", "sp"]


def install():
    """The interpreter of an environment with NumPy and the wheel, and the wheel."""
    subprocess.run([ROOT / "scripts" / "python.sh", "wheel"], check=True)
    (wheel,) = (ROOT / "target" / "wheels").glob("pyqualm-*.whl")
    if not VENV.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    python = VENV / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, "--force-reinstall", wheel], check=True)
    return python, wheel


def make_rows(python, path, n_rows):
    program = (
        "import numpy as np; r = np.random.default_rng(0); "
        f"np.save({str(path)!r}, r.standard_normal(({n_rows}, {COLUMNS}), dtype=np.float32))"
    )
    subprocess.run([python, "-c", program], check=True)


def processor_seconds(side):
    """What a contender's threads have used so far."""
    fields = Path(f"/proc/{side.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def timed(side):
    """Wall and processor seconds of one scoring."""
    before = processor_seconds(side)
    wall = side.ask("score")["seconds"]
    return wall, processor_seconds(side) - before


def overhead(python, binary, path, threads, rounds):
    """A line for each detector."""
    lines = []
    ours = Contender([python, HERE / "side.py"], threads)
    theirs = Contender([binary], threads)
    with ours, theirs:
        n_rows = ours.ask("read", path)["n"]
        theirs.ask("read", path, "all")
        for detector in DETECTORS:
            ours.ask("fit", detector, threads)
            theirs.ask("fit-first", detector, 0, FITTED)
            # The first of each is a warm-up.
            pairs = [(timed(ours), timed(theirs)) for _ in range(rounds + 1)][1:]
            cells = []
            # Wall: whatever else the machine does can only add to it. Processor: of all rounds.
            for which, typical in ((0, min), (1, median)):
                python_s, rust_s = (typical(p[side][which] for p in pairs) for side in (0, 1))
                over = 100 * (python_s / rust_s - 1)
                cells += [f"{rust_s:.3f}", f"{python_s:.3f}", f"{over:+.1f} %"]
            lines.append([detector, f"{n_rows:,} x {COLUMNS}", *cells])
    return lines


def at_once(python, path, rounds):
    """Seconds of one and of two Python threads, one thread of work each."""
    with Contender([python, HERE / "side.py"], 2) as side:
        side.ask("read", path)
        side.ask("fit", "dum", 1)
        side.ask("score")
        pairs = [
            (side.ask("threads", 1)["seconds"], side.ask("threads", 2)["seconds"])
            for _ in range(rounds)
        ]
        stops = sorted(side.ask("interrupt")["seconds"] for _ in range(rounds))
    one, two = (median(times) for times in zip(*pairs, strict=True))
    return one, two, median(two / one for one, two in pairs), stops


def imports(python, rounds):
    """Milliseconds to start Python and import NumPy, or the package, beyond a bare start."""

    def wall(program):
        timed = (
            "import subprocess, sys, time; t = time.perf_counter(); "
            f"subprocess.run([sys.executable, '-c', {program!r}], check=True); "
            "print(time.perf_counter() - t)"
        )
        return float(subprocess.check_output([python, "-c", timed], text=True))

    programs = {"bare": "pass", "numpy": "import numpy", "qualm": "import qualm"}
    times = {name: [] for name in programs}
    for _ in range(3 * rounds):
        for name, program in programs.items():
            times[name].append(wall(program))
    best = {name: median(t) for name, t in times.items()}
    return 1000 * (best["numpy"] - best["bare"]), 1000 * (best["qualm"] - best["bare"])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--rows", type=int, default=1_000_000)
    arguments = parser.parse_args()
    python, wheel = install()
    binary = build("baselines")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        make_rows(python, path, arguments.rows)
        lines = overhead(python, binary, path, 2, arguments.rounds)
        one, two, ratio, stops = at_once(python, path, arguments.rounds)
    numpy_ms, qualm_ms = imports(python, arguments.rounds)
    version = subprocess.check_output([python, "--version"], text=True).strip()
    text = f"{machine(2)}; {version}; {arguments.rounds} rounds.\n\n"
    header = ["detector", "rows", "Rust s", "Python s", "more"]
    header += ["Rust CPU s", "Python CPU s", "more"]
    text += table(header, lines) + "\n"
    text += table(
        ["what", "measured"],
        [
            ["one Python thread, `n_jobs=1`, `dum`", f"{one:.3f} s"],
            ["two at once, each the same work", f"{two:.3f} s, {ratio:.2f} times one"],
            ["Ctrl-C to `KeyboardInterrupt` in a fit", f"{1000 * median(stops):.0f} ms, at most {1000 * stops[-1]:.0f}"],
            ["`import numpy`", f"{numpy_ms:.0f} ms"],
            ["`import qualm`, NumPy included", f"{qualm_ms:.0f} ms"],
            ["the wheel", f"{wheel.stat().st_size / 2**20:.1f} MiB"],
        ],
    )
    between_marks(HERE / "RESULTS.md", text)


if __name__ == "__main__":
    main()
