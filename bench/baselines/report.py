"""The rows of results.csv, and the tables of RESULTS.md made from them."""

import csv
from pathlib import Path

from contender import between_marks, table, write_csv

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.csv"
KEY = ["set", "detector", "peer"]
PEERS = {"pyod": "PyOD", "sklearn": "scikit-learn"}


def load():
    """All rows, numbers as numbers."""

    def number(text):
        try:
            return float(text)
        except ValueError:
            return text

    if not RESULTS.exists():
        return []
    with open(RESULTS, newline="") as file:
        return [{k: number(v) for k, v in row.items()} for row in csv.DictReader(file)]


def has(key):
    """Whether a pair has been measured."""
    return any(all(row[k] == key[k] for k in KEY) for row in load())


def keep(row):
    """Adds a row, in place of an older one of the same pair; the file is whole at any time."""
    rows = load()
    at = next((i for i, old in enumerate(rows) if all(old[k] == row[k] for k in KEY)), None)
    if at is None:
        rows.append(row)
    else:
        rows[at] = row
    write_csv(RESULTS, row.keys(), rows)


def seconds(value):
    """Seconds with three digits."""
    if value == float("inf"):
        return "given up"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f} s"


def ratio(row):
    """How many times as fast we are."""
    return f"{'> ' if row['status'] == 'stopped' else ''}{row['ratio']:.1f}"


def met(row):
    """Whether the target is reached, if there is one."""
    if row["target"] == "":
        return ""
    below = "open" if row["status"] == "stopped" else "missed"
    return f"{row['target']:g}, {'met' if row['ratio'] >= row['target'] else below}"


def agreement(row):
    """The rank correlation, and whether it is as high as it must be."""
    if row["spearman"] == "":
        return "not compared"
    text = f"{row['spearman']:.5f}"
    if row["left_out"]:
        text += f" ({row['left_out']:.0f} rows not finite)"
    if row["required"] != "" and row["spearman"] <= row["required"]:
        text = f"**{text}, below {row['required']:g}**"
    return text if row["itself"] == "" else f"{text}, itself {row['itself']:.3f}"


def line(row):
    """A pair in a line, for the terminal."""
    text = (
        f"{row['detector']} beside {row['peer']} on {row['set']} ({row['n']:.0f} x {row['d']:.0f}):"
        f" {seconds(row['ours_seconds'])} against {seconds(row['theirs_seconds'])},"
        f" {ratio(row)} times as fast ({row['ratio_lowest']:.1f} to {row['ratio_highest']:.1f}"
        f" over {row['rounds']:.0f} rounds)"
    )
    if row["target"] != "":
        text += f", target {met(row)}"
    text += f"; Spearman {agreement(row)}; peak {row['ours_mib']} against {row['theirs_mib']} MiB"
    if row["tried"]:
        text += f"; fastest setting {row['setting']} ({row['tried']})"
    return text


def tables(rows):
    """One table for each peer and one for what has no target."""
    header = ["set", "detector", "ours", "theirs", "times as fast", "lowest to highest"]
    header += ["target", "Spearman", "MiB, ours", "theirs", "rounds"]
    groups = [(f"Beside {name}", lambda r, p=peer: r["peer"] == p and r["target"] != "")
              for peer, name in PEERS.items()]
    groups.append(("Without a target, beside PyOD", lambda r: r["target"] == ""))
    text = ""
    for title, belongs in groups:
        group = [row for row in rows if belongs(row)]
        if not group:
            continue
        text += f"## {title}\n\n{table(header, map(cells, group))}\n"
    return text


def cells(row):
    spread = f"{row['ratio_lowest']:.1f} to {row['ratio_highest']:.1f}"
    theirs = f"{row['theirs_mib']:.0f}" if row["theirs_mib"] != "" else ""
    return [
        row["set"], row["detector"], seconds(row["ours_seconds"]),
        ("> " if row["status"] == "stopped" else "") + seconds(row["theirs_seconds"]),
        ratio(row), spread, met(row), agreement(row),
        f"{row['ours_mib']:.0f}", theirs, f"{row['rounds']:.0f}",
    ]  # fmt: skip


def choices(rows):
    """Which of scikit-learn's settings was the fastest, and what the others took."""
    tried = [row for row in rows if row["tried"]]
    if not tried:
        return ""
    header = ["set", "detector", "fastest setting", "one run of each"]
    lines = [[r["set"], r["detector"], r["setting"], r["tried"]] for r in tried]
    return f"## scikit-learn's settings\n\n{table(header, lines)}\n"


def write():
    """Rewrites the tables of RESULTS.md."""
    rows = load()
    # The peers of a pair decide which libraries it needs: each machine is named once, with all.
    versions = {}
    for row in rows:
        found = versions.setdefault((row["machine"], row["kernels"]), {})
        found.update(dict.fromkeys(row["versions"].split(", ")))
    text = "".join(
        f"{machine}; {', '.join(names)}. Matrix kernels: {kernels}.\n\n"
        for (machine, kernels), names in sorted(versions.items())
    )
    text += tables(rows) + choices(rows)
    between_marks(HERE / "RESULTS.md", text.rstrip("\n") + "\n")
