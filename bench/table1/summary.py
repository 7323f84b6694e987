"""The tables of docs/table1.md from the results of run.sh: AUROC beside the paper's.

python3 bench/table1/summary.py
"""

import csv
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import contender  # noqa: E402

PAPER = HERE.parent.parent / "crates" / "qualm-cli" / "data" / "table1.csv"
ENCODERS = {
    "simclr": "SimCLR",
    "resnet56": "ResNet-56",
    "sscd": "SSCD",
    "simclr-statistics": "SimCLR + statistics",
    "resnet56-statistics": "ResNet-56 + statistics",
    "sscd-statistics": "SSCD + statistics",
    "statistics": "statistics alone",
}


def paper(part):
    with PAPER.open() as file:
        rows = list(csv.DictReader(file))
    return {row["corruption"]: float(row[f"{part}_auroc"]) for row in rows}


def results(name):
    """AUROC in points over all severities by detector and corruption, and the p-values."""
    path = HERE / f"{name}.csv"
    if not path.exists():
        return {}
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if not row["severity"]]
    found = {}
    for row in rows:
        cells = found.setdefault(row["detector"], {})
        cells[row["corruption"]] = (100 * float(row["auroc"]), float(row["log10_p"]))
    return found


def by_encoder(part, expected):
    """DUM with each encoder, a row for each corruption."""
    found = {name: results(f"{part}-{name}").get("dum", {}) for name in ENCODERS}
    found = {name: cells for name, cells in found.items() if cells}
    lines = []
    for corruption, theirs in expected.items():
        line = [corruption, f"{theirs:.1f}"]
        for cells in found.values():
            ours = cells[corruption][0]
            bold = corruption != "none" and ours >= theirs
            line.append(f"**{ours:.1f}**" if bold else f"{ours:.1f}")
        lines.append(line)
    counts = [
        sum(cells[c][0] >= expected[c] for c in expected if c != "none")
        for cells in found.values()
    ]
    lines.append(["at or above the paper", "", *[f"{n} of 15" for n in counts]])
    return contender.table(["corruption", "paper", *[ENCODERS[name] for name in found]], lines)


def by_detector(part, expected):
    """The mean over the corruptions for each encoder and detector, and clean images."""
    lines = []
    for name, title in ENCODERS.items():
        for detector, cells in results(f"{part}-{name}").items():
            kinds = [c for c in expected if c != "none"]
            mean = sum(cells[c][0] for c in kinds) / len(kinds)
            count = sum(cells[c][0] >= expected[c] for c in kinds)
            auroc, log_p = cells["none"]
            lines.append(
                [title, detector, f"{mean:.1f}", f"{count}", f"{auroc:.1f}", f"{10**log_p:.2f}"]
            )
    head = ["encoder", "detector", "mean of 15", "at or above", "none", "P of none"]
    return contender.table(head, lines)


def main():
    page = HERE.parent.parent / "docs" / "table1.md"
    for part in ("cifar10", "tiny"):
        expected = paper(part)
        contender.between_marks(page, by_encoder(part, expected), f"{part} dum")
        contender.between_marks(page, by_detector(part, expected), f"{part} detectors")


if __name__ == "__main__":
    main()
