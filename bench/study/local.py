"""What local bags do on the shown sets: the tables of LOCAL.md, from local.parquet.

    python3 bench/study/local.py

The fits are those of an earlier study, which had local bags among its contenders; the presets were
those of its time.
"""

import sys
from pathlib import Path

import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from contender import between_marks, table  # noqa: E402

from report import Kind, mean, number  # noqa: E402

# What was compared on each kind of sets.
CELLS = {"tables": [2, 5, 10, 20, 50, 200], "embeddings": [2, 10, 50], "unions": [10, 20, 50, 200]}
BAGS = {"tables": [2, 4, 8], "embeddings": [2, 8], "unions": [2, 4, 8]}
# The rows of a set in the runs that are compared, at most.
ROWS = {"tables": 1500, "embeddings": 1500, "unions": 5000}
GLOBAL = "global"
# Rows that a cell has on average, in bins that end below these.
A_CELL = [30, 100, 300, 10_000]


def names(kind, space, bag_size):
    """The contender for each number of cells, the global bags first."""
    if space == "kernel":
        return {GLOBAL: "as shipped"} | {c: f"local bags, {c} cells" for c in CELLS[kind]}
    same = "sphere" if kind == "tables" else "centred unit sphere"
    whole = same if bag_size == 2 else f"sphere, bags of {bag_size}"
    in_cells = {c: f"sphere, local bags of {bag_size}, {c} cells" for c in CELLS[kind]}
    return {GLOBAL: whole} | in_cells


def groups(sizes):
    """Sets by what they are like: all, by rows, by columns. `sizes`: name to (n, d)."""
    yield "all", list(sizes)
    for axis, word, ends in [(0, "rows", [0, 500, 1500, 1501]), (1, "columns", [0, 10, 40, 10_000])]:
        for low, high in zip(ends, ends[1:]):
            inside = [name for name, size in sizes.items() if low <= size[axis] < high]
            if 0 < len(inside) < len(sizes):
                upper = f"{low:,}" if high > low + 1 and high < 10_000 else ""
                label = f"{low:,} to {high - 1:,}" if upper else f"{low:,} or more"
                yield f"{label} {word}", inside


def forms(kind):
    """The spaces and sizes of bags that have been run on a kind of sets."""
    return [("kernel", 2), *(("sphere", m) for m in BAGS[kind])]


def by_cells(kind, sizes):
    """Mean AUROC by number of cells: spaces and bags over all sets, then kinds of sets."""
    header = ["space, bag size", "sets", GLOBAL, *(f"{c} cells" for c in CELLS[kind.name])]
    lines = []
    for space, bag_size in forms(kind.name):
        for label, sets in groups(sizes):
            # Kinds of sets for the smallest bags, which are best or as good.
            if label == "all" or bag_size == 2:
                found = names(kind.name, space, bag_size).values()
                cells = [number(mean(kind.means(name, sets))) for name in found]
                first = f"**{space}, {bag_size}**" if label == "all" else label
                lines.append([first, len(sets), *cells])
    return table(header, lines)


def by_rows_a_cell(kind, sizes):
    """What local bags gain on global ones, by the rows that a cell has on average."""
    ends = [f"under {end:,}" for end in A_CELL[:-1]] + [f"{A_CELL[-2]:,} or more"]
    lines = []
    for space, bag_size in forms(kind.name):
        found = names(kind.name, space, bag_size)
        whole = found.pop(GLOBAL)
        gains = {end: [] for end in A_CELL}
        for cells, name in found.items():
            for one in set(kind.scores[name]) & set(kind.scores[whole]):
                # As the fit does: no more than one for every four pairs of bags.
                most = -(-sizes[one][0] // (8 * bag_size))
                end = next(e for e in A_CELL if sizes[one][0] / min(cells, most) < e)
                gains[end].append(mean(kind.scores[name][one]) - mean(kind.scores[whole][one]))
        cells = [f"{mean(g):+.1f} ({len(g)})" if g else "–" for g in gains.values()]
        lines.append([f"{space}, {bag_size}", *cells])
    return table(["space, bag size", *ends], lines)


def gaining(kind, sizes):
    """The sets on which some number of cells gains most on the preset, and how much."""
    lines = []
    for one in kind.sets:
        own = mean(kind.scores["as shipped"].get(one, []))
        best, name = max(
            (mean(kind.scores[name].get(one, [0])), name)
            for bag_size in BAGS[kind.name]
            for cells, name in names(kind.name, "sphere", bag_size).items()
            if cells != GLOBAL
        )
        if best >= own + 5:
            lines.append([one, *sizes[one], number(own), number(best), name])
    lines.sort(key=lambda line: float(line[3]) - float(line[4]))
    return table(["set", "n", "d", "as shipped", "best of local", "which"], lines)


def main():
    """The tables, into LOCAL.md."""
    rows, text = pq.read_table(HERE / "local.parquet").to_pylist(), ""
    for name in CELLS:
        of_kind = [r for r in rows if r["kind"] == name and r["rows"] == ROWS[name]]
        kind = Kind(name, of_kind)
        sizes = {r["set"]: (r["n"], r["d"]) for r in of_kind}
        text += f"\n### {name.capitalize()}, {len(kind.sets)} sets of at most {ROWS[name]:,} rows\n\n"
        text += by_cells(kind, sizes)
        text += "\nPoints gained on global bags, by the rows a cell has on average:\n\n"
        text += by_rows_a_cell(kind, sizes)
        if name == "unions":
            continue
        text += "\nSets on which the best of all local bags on the sphere, picked with the labels in"
        text += "\nsight, is 5 points or more above the preset:\n\n" + gaining(kind, sizes)
    between_marks(HERE / "LOCAL.md", text, "sets")


if __name__ == "__main__":
    main()
