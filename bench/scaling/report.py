"""The rows of results.csv, and the tables and curves of docs/scaling.md made from them."""

import csv
import math
from pathlib import Path

from contender import ROOT, between_marks, table, write_csv

import curves

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.csv"
KEY = ["set", "detector", "size"]
# Rows of the two largest sets of the paper's Table 2: KDD1999 and Record.
PAPER = [4_898_431, 5_734_488]
FIELDS = ["set", "detector", "size", "n", "d", "runs", "fit_seconds", "score_seconds"]
FIELDS += ["peak_mib", "read_mib", "steps", "kinds", "status", "machine"]
NUMBERS = ["n", "d", "runs", "fit_seconds", "score_seconds", "peak_mib", "read_mib", "steps"]


def load():
    """All rows, numbers as numbers."""
    if not RESULTS.exists():
        return []
    with open(RESULTS, newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        for key in NUMBERS:
            row[key] = float(row[key]) if row[key] else None
    return rows


def find(key):
    """The row of a point, if it has been measured."""
    return next((row for row in load() if all(row[k] == key[k] for k in KEY)), None)


def keep(row):
    """Adds a row, in place of an older one of the same point; the file is whole at any time."""
    rows = [old for old in load() if any(old[k] != row[k] for k in KEY)] + [row]
    write_csv(RESULTS, FIELDS, rows)


def line(row):
    """A point in a line, for the terminal."""
    head = f"{row['detector']} on {row['set']}, {row['n']:,.0f} x {row['d']:.0f}:"
    if row["status"] != "ok":
        return f"{head} {row['status']}"
    text = f"{head} fit {seconds(row['fit_seconds'])} s, score {seconds(row['score_seconds'])} s,"
    text += f" peak {row['peak_mib']:.0f} MiB, {row['steps']} steps {row['kinds']}"
    return text.rstrip()


def seconds(value):
    """Seconds with two digits that count."""
    digits = 0 if value >= 10 else 1 if value >= 1 else 2 if value >= 0.1 else 3
    return f"{value:,.{digits}f}"


def duration(value):
    """Seconds, minutes, hours or days."""
    for unit, size in [("d", 86_400), ("h", 3600), ("min", 60)]:
        if value >= 2 * size:
            value /= size
            return f"{value:,.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"
    return f"{seconds(value)} s"


def is_approximate(row):
    return "approximated" in row["kinds"].split()


def last_decade(points, key):
    """(n, value) from a tenth of the largest size, where the method did what it does there: by the
    same approximation, and in the same number of training steps if that has reached its cap."""
    points = [p for p in points if p[key] is not None]
    largest = points[-1]
    points = [p for p in points if is_approximate(p) == is_approximate(largest)]
    capped = [p for p in points if p["steps"] == largest["steps"]]
    points = capped if len(capped) > 1 else points
    return [(p["n"], p[key]) for p in points if p["n"] * 10 >= largest["n"] * 0.99]


def exponent(points):
    """Least-squares slope of log value by log n; None with a single point."""
    xs, ys = [math.log(n) for n, _ in points], [math.log(max(v, 1e-9)) for _, v in points]
    return slope(xs, ys)


def slope(xs, ys):
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    below = sum((a - x) ** 2 for a in xs)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys)) / below if below > 0 else None


def predict(points, n):
    """A power law through the largest point where cost grows faster than rows. Where it grows more
    slowly part of it is a fixed cost, and a power below 1 would promise that rows cost less and
    less for ever: there a straight line, by the points from a fifth of the largest size."""
    power = exponent(points)
    if power is None:
        return None
    largest, value = points[-1]
    if power >= 1:
        return value * (n / largest) ** power
    near = [p for p in points if p[0] * 5 >= largest]
    near = near if len(near) > 1 else points[-2:]
    a_row = slope([p[0] for p in near], [p[1] for p in near])
    return value + max(a_row, 0) * (n - largest)


def shown(points, key, form):
    """The cells of a detector by size."""
    cells = {}
    for p in points:
        text = form(p[key]) if p[key] is not None else p["status"]
        cells[p["size"]] = text + (" ≈" if is_approximate(p) and p[key] is not None else "")
    return cells


def by_size(groups, key, form):
    """One row a detector, one column a size."""
    found = {p["size"]: p["n"] for points in groups.values() for p in points}
    order = sorted(found, key=found.get)
    lines = []
    for detector, points in groups.items():
        cells = shown(points, key, form)
        lines.append([detector] + [cells.get(size, "") for size in order])
    return table(["detector"] + [f"{found[size]:,.0f}" for size in order], lines)


def predictions(groups):
    """The exponents and what they predict."""
    header = ["detector", "from", "fit, exponent", "score, exponent"]
    header += [f"{what} at {n:,}" for n in PAPER for what in ["fit", "score"]]
    header += [f"GiB at {n:,}" for n in PAPER]
    lines = []
    for detector, points in groups.items():
        points = [p for p in points if p["status"] == "ok"]
        if not points:
            continue
        keys = ["fit_seconds", "score_seconds", "peak_mib"]
        fit, score, peak = (last_decade(points, key) for key in keys)
        cells = [detector, f"{fit[0][0]:,.0f} to {fit[-1][0]:,.0f}"]
        cells += [maybe(exponent(part), "{:.2f}".format) for part in [fit, score]]
        for n in PAPER:
            cells += [maybe(predict(part, n), duration) for part in [fit, score]]
        cells += [maybe(predict(peak, n), lambda mib: f"{mib / 1024:.1f}") for n in PAPER]
        lines.append(cells)
    return table(header, lines)


def maybe(value, form):
    return "" if value is None else form(value)


def write():
    """Rewrites the tables of docs/scaling.md and the curves beside it."""
    rows = [row for row in load() if row["n"]]
    text = "".join(f"{note}.\n\n" for note in sorted({row["machine"] for row in rows}))
    for name in dict.fromkeys(row["set"] for row in rows):
        groups = {}
        for row in sorted((r for r in rows if r["set"] == name), key=lambda r: r["n"]):
            groups.setdefault(row["detector"], []).append(row)
        drawing = f"scaling-{name}.svg"
        d = next(row["d"] for row in rows if row["set"] == name)
        curves.draw(groups, f"{name}: seconds of a fit by rows", ROOT / "docs" / drawing)
        text += f"## {name}, {d:.0f} columns\n\n![Seconds of a fit by rows]({drawing})\n\n"
        text += "Seconds of a fit, the scores of the fitted rows included:\n\n"
        text += by_size(groups, "fit_seconds", seconds)
        text += "\nSeconds of scoring the same rows as new ones:\n\n"
        text += by_size(groups, "score_seconds", seconds)
        text += "\nPeak memory of the whole process, MiB:\n\n"
        text += by_size(groups, "peak_mib", "{:,.0f}".format)
        text += "\nFitted exponents and the **prediction** made from them (not measured):\n\n"
        text += predictions(groups) + "\n"
    between_marks(ROOT / "docs" / "scaling.md", text.rstrip("\n") + "\n")
