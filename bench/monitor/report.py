"""The tables of RESULTS.md from delays.csv.

bench/monitor/.venv-peers/bin/python bench/monitor/report.py
"""

import csv
import math
from pathlib import Path

HERE = Path(__file__).resolve().parent
OURS = "qualm"
#: One setting of each peer; the other windows of MMD and KS stand in a table of their own.
SHOWN = [
    OURS,
    "nonconform jumper",
    "nonconform power",
    "nonconform mixture",
    "MMD 50",
    "KS 100",
    "ADWIN",
]


def read():
    """Delay and share without an alarm, by cell and contender."""
    cells = {}
    with open(HERE / "delays.csv", newline="") as file:
        for line in csv.DictReader(file):
            cell = cells.setdefault((line["kind"], line["strength"]), {})
            cell[line["contender"]] = (float(line["median_delay"]), float(line["never"]))
    return cells


def near_first(delay, others):
    """Whether a delay is the shortest or within 10 per cent of it."""
    return math.isfinite(delay) and delay <= 1.1 * min(others)


def words(delay, never, best):
    text = "never" if math.isinf(delay) else f"{delay:g}"
    if never >= 0.005 and math.isfinite(delay):
        text += f" ({never:.0%})"
    return f"**{text}**" if best else text


def table(cells, names):
    yield "| change | strength | " + " | ".join(names) + " |"
    yield "|---|---:|" + "---:|" * len(names)
    for (kind, strength), cell in cells.items():
        delays = [cell[name][0] for name in names]
        shown = [words(*cell[name], near_first(cell[name][0], delays)) for name in names]
        yield f"| {kind} | {strength} | " + " | ".join(shown) + " |"


def counts(cells, names):
    n = len(cells)
    for name in names:
        near = sum(
            near_first(c[name][0], [c[other][0] for other in names]) for c in cells.values()
        )
        never = sum(math.isinf(c[name][0]) for c in cells.values())
        yield f"| {name} | {near} of {n} | {never} |"


def replace(text, mark, lines):
    begin, end = f"<!-- {mark}: begin -->\n", f"<!-- {mark}: end -->"
    head, rest = text.split(begin)
    return head + begin + "\n".join(lines) + "\n" + end + rest.split(end)[1]


def main():
    cells = read()
    every = list(next(iter(cells.values())))
    path = HERE / "RESULTS.md"
    text = path.read_text()
    head = ["| | first or within 10 % | median never |", "|---|---:|---:|"]
    text = replace(text, "delays", table(cells, SHOWN))
    text = replace(text, "counts", [*head, *counts(cells, SHOWN)])
    text = replace(text, "all", [*head, *counts(cells, every)])
    path.write_text(text)


if __name__ == "__main__":
    main()
