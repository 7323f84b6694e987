"""From the rows of results.csv to the tables of RESULTS.md."""

import csv
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import contender  # noqa: E402

KEY = ["network", "threads", "isa"]


def key(row):
    """What was measured in one go."""
    return tuple(str(row[k]) for k in KEY)


def of(rows, task):
    """The rows of a task by contender."""
    return {row["contender"]: row for row in rows if row["task"] == task}


def line(rows):
    """One measurement in a line, for the terminal."""
    first = rows[0]
    parts = [f"{first['network']}, {first['threads']} threads, {first['isa']}:"]
    for task in ["train", "infer"]:
        found = of(rows, task)
        ours = float(found["qualm"]["seconds"])
        others = [
            f"{name} {float(row['seconds']) / ours:.2f}x"
            for name, row in found.items()
            if name != "qualm"
        ]
        parts.append(f"{task} {ours * 1e3:.0f} ms, " + ", ".join(others) + ";")
    return " ".join(parts)


def tables(rows):
    """A table for each network, number of threads and instruction set."""
    groups = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    text = ""
    for (network, threads, isa), group in groups.items():
        train, infer = of(group, "train"), of(group, "infer")
        batch = int(group[0]["batch"])
        unit = "thread" if threads == "1" else "threads"
        text += f"\n### {network}, batch {batch}, {threads} {unit}, {isa}\n\n"
        text += f"{group[0]['machine']}\n\n"
        lines = []
        for name in train:
            step, images = float(train[name]["seconds"]), float(infer[name]["seconds"])
            lines.append(
                [
                    name,
                    f"{step * 1e3:.0f}",
                    f"{float(train[name]['cpu_seconds']) * 1e3:.0f}",
                    f"{step / float(train['qualm']['seconds']):.2f}",
                    f"{batch / images:,.0f}",
                    f"{images / float(infer['qualm']['seconds']):.2f}",
                    f"{float(train[name]['peak_mib']):,.0f}",
                ]
            )
        header = ["contender", "ms/step", "CPU ms/step", "time / ours"]
        header += ["inference, images/s", "time / ours", "peak MiB"]
        text += contender.table(header, lines)
    return text + "\n"


def write(results):
    """Writes the tables between the marks of RESULTS.md."""
    with open(results, newline="") as file:
        rows = list(csv.DictReader(file))
    contender.between_marks(HERE / "RESULTS.md", tables(rows))
