"""Our random views beside torchvision's, in turns, in one run.

    python3 bench/vision/views.py --python VENV/bin/python [--rounds 15] [--quick]

VENV: a virtual environment with torch, torchvision, pillow and numpy. The contenders take turns,
round after round, so that what the machine does meanwhile hits all alike; the least wall time and
the least processor time of a stretch count. Writes `views.csv`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import contender  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
# Side of a view; number, height and width of the images that it is of.
SETTINGS = {32: (512, 32, 32), 224: (48, 375, 500)}
# Views of a stretch, for each contender: about half a second on one core.
STRETCH = {32: {"qualm": 30000, "tensor": 1500, "pil": 2000}, 224: {"qualm": 400, "tensor": 50, "pil": 50}}
IMAGES = """
import numpy, sys
path, n, h, w = sys.argv[1], *map(int, sys.argv[2:])
rng = numpy.random.default_rng(0)
y, x = numpy.mgrid[0:h, 0:w]
waves = [numpy.sin(x / a + y / b) for a, b in ((15, 29), (-37, 14), (43, -61))]
smooth = 127 + 90 * numpy.stack(waves, -1)
images = [smooth[:, ::s] + rng.normal(0, 15, smooth.shape) for s in rng.choice([-1, 1], n)]
numpy.save(path, numpy.clip(images, 0, 255).astype(numpy.uint8))
"""


def build():
    command = ["cargo", "build", "--release", "--locked", "-p", "qualm-vision"]
    command += ["--example", "bench_views", "--message-format=json"]
    built = subprocess.run(command, cwd=contender.ROOT, check=True, stdout=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    return [m["executable"] for m in messages if m.get("executable")][-1]


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def compare(python, binary, size, threads, rounds):
    counts = STRETCH[size]
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder, "images.npy")
        shape = map(str, SETTINGS[size])
        subprocess.run([python, "-c", IMAGES, images, *shape], check=True)
        commands = {"qualm": [binary, images, size, threads]}
        for kind in ("tensor", "pil"):
            commands[kind] = [python, HERE / "views_peer.py", images, size, threads, kind]
        # Each of the peer's processes has one thread; ours are threads of one process.
        running = {name: contender.Contender(c, 1) for name, c in commands.items()}
        found = {name: [] for name in running}
        for name, process in running.items():
            process.ask(max(counts[name] // 10, 4))
        for _ in range(rounds):
            for name, process in running.items():
                n = counts[name] * threads
                before = cpu_seconds(process.process.pid)
                answer = process.ask(n)
                cpu = answer.get("cpu", cpu_seconds(process.process.pid) - before)
                found[name].append((answer["seconds"] / n, cpu / n))
        for process in running.values():
            process.close()
    return [
        {
            "size": size,
            "threads": threads,
            "contender": name,
            "rounds": rounds,
            "views_per_second": round(1 / min(wall for wall, _ in pairs)),
            "cpu_microseconds": round(1e6 * min(cpu for _, cpu in pairs), 1),
        }
        for name, pairs in found.items()
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--python", required=True)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="three rounds, nothing written")
    arguments = parser.parse_args()
    binary = build()
    rounds = 3 if arguments.quick else arguments.rounds
    rows = []
    for size in SETTINGS:
        for threads in (1, 2):
            found = compare(arguments.python, binary, size, threads, rounds)
            ours, *others = found
            for other in others:
                wall = ours["views_per_second"] / other["views_per_second"]
                cpu = other["cpu_microseconds"] / ours["cpu_microseconds"]
                print(f"{size} px, {threads} threads: {wall:.1f} x {other['contender']}, by processor time {cpu:.1f} x")
            rows += found
    for row in rows:
        print(row)
    print(contender.machine(2))
    if not arguments.quick:
        contender.write_csv(HERE / "views.csv", rows[0].keys(), rows)


main()
