"""The tables of docs/table3.md from the results of run.sh.

python3 bench/table3/summary.py [FOLDER OF RESULTS]
"""

import csv
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import contender  # noqa: E402

PAGE = HERE.parent.parent / "docs" / "table3.md"
PAPER = HERE.parent.parent / "crates" / "qualm-cli" / "data" / "table3.csv"
SETS = {
    "cifar100": "CIFAR-100",
    "tinyimagenet": "Tiny ImageNet",
    "scenes": "its scenes",
    "mnist": "MNIST",
}
GROUPS = ["near", "far"]
# OpenOOD 1.5, CIFAR-10, ResNet-18: AUROC over CIFAR-100 and Tiny ImageNet, mean and standard
# deviation over three trainings. Near-OOD_AUROC of results/cifar10.csv in Jingkang50/OpenOOD,
# commit 03db2d83430786497a277a10fe2dc1f54b92cb36: rows MSP, ODIN, EBO, GEN, MDS, RMDS, Gram, KNN
# and VIM of the training CrossEntropy, and RotPred.
OPENOOD = {
    "msp": (88.03, 0.25),
    "odin": (82.87, 1.85),
    "energy": (87.58, 0.46),
    "gen": (88.20, 0.30),
    "mahalanobis": (84.20, 2.40),
    "rmds": (89.80, 0.28),
    "gram": (58.66, 4.83),
    "knn": (90.64, 0.20),
    "vim": (88.68, 0.28),
    "rotation": (92.68, 0.27),
}
PAPERS = ["msp", "odin", "mahalanobis", "residual_flow", "gram", "rotation", "dum", "dum_circ"]
TITLES = {
    "msp": "Baseline",
    "odin": "ODIN",
    "mahalanobis": "Mahalanobis",
    "residual_flow": "Res-Flow",
    "gram": "Gram",
    "rotation": "Rotation",
    "dum": "DUM",
    "dum_circ": "DUM (Circ)",
}
#: What encoders are called, by their files; those of a contrastive loss first.
CONTRASTIVE = {"cifar10_simclr_resnet20.safetensors": "SimCLR", "sscd_distilled.onnx": "SSCD"}
NOTHING = "–"
UNMEASURED = "Not measured yet: `bench/table3/run.sh`, then `bench/table3/summary.py`.\n"


def results(folder, name):
    path = folder / f"{name}.csv"
    if not path.exists():
        return []
    with path.open() as file:
        return list(csv.DictReader(file))


def subjects(rows):
    """The classifiers together, then each encoder: a title, and its rows."""
    classifiers = [row for row in rows if row["kind"] == "classifier"]
    found = [("", classifiers)] if classifiers else []
    encoders = dict.fromkeys(row["network"] for row in rows if row["kind"] == "encoder")
    for encoder in encoders:
        own = [row for row in rows if (row["kind"], row["network"]) == ("encoder", encoder)]
        found.append((CONTRASTIVE.get(encoder, encoder), own))
    return found


def over_networks(rows, detector, outs, measure="auroc"):
    """A measure in points for each network: its mean over some sets."""
    found = {}
    for row in rows:
        if row["detector"] == detector and row["out"] in outs:
            found.setdefault(row["network"], []).append(100 * float(row[measure]))
    return [statistics.fmean(values) for values in found.values()]


def points(values):
    if not values:
        return NOTHING
    mean = f"{statistics.fmean(values):.1f}"
    return f"{mean} ± {statistics.stdev(values):.1f}" if len(values) > 1 else mean


def groups(rows):
    """The sets of each group."""
    return {
        group: sorted({row["out"] for row in rows if row["group"] == group}) for group in GROUPS
    }


def by_detector(rows, measure):
    """A measure for each detector and subject over each set, the near and the far ones."""
    lines = []
    for title, own in subjects(rows):
        for detector in dict.fromkeys(row["detector"] for row in own):
            outs = [[out] for out in SETS] + list(groups(rows).values())
            cells = [points(over_networks(own, detector, out, measure)) for out in outs]
            lines.append([f"`{detector}`" + (f" on {title}" if title else ""), *cells])
    return contender.table(["detector", *SETS.values(), *GROUPS], lines)


def as_the_paper(rows):
    """Our sets in the paper's columns, then the paper's rows of CIFAR-10."""
    found = subjects(rows)
    columns = [("", detector) for detector in PAPERS]
    there = [title for title, _ in found if title in CONTRASTIVE.values()]
    columns += [(title, detector) for title in there for detector in PAPERS[-2:]]
    of = dict(found)
    lines = []
    for out, title in SETS.items():
        cells = [points(over_networks(of.get(s, []), d, [out])) for s, d in columns]
        lines.append([title, *cells])
    with PAPER.open() as file:
        for row in csv.DictReader(file):
            if row["in"] == "cifar10":
                cells = [row[d] if s == "" else NOTHING for s, d in columns]
                lines.append([f"paper: {row['out']}", *cells])
    head = [TITLES[d] + (f" on {s}" if s else "") for s, d in columns]
    return contender.table(["out of distribution", *head], lines)


def beside_openood(rows):
    classifiers = [row for row in rows if row["kind"] == "classifier"]
    near = groups(rows)["near"]
    lines = []
    for detector, (theirs, spread) in OPENOOD.items():
        ours = over_networks(classifiers, detector, near)
        difference = f"{statistics.fmean(ours) - theirs:+.1f}" if ours else NOTHING
        lines.append([f"`{detector}`", points(ours), f"{theirs:.2f} ± {spread:.2f}", difference])
    return contender.table(["detector", "here", "OpenOOD", "difference"], lines)


def best_of(rows, group):
    """The detector of one network with the highest mean AUROC over a group of sets."""
    found = {}
    for row in rows:
        if row["group"] == group:
            found.setdefault(row["detector"], []).append(100 * float(row["auroc"]))
    means = {detector: statistics.fmean(values) for detector, values in found.items()}
    best = max(means, key=means.get)
    return f"{means[best]:.1f} `{best}`"


def networks(rows):
    """The classifiers, with their accuracy on the images in distribution."""
    lines = []
    for network in dict.fromkeys(row["network"] for row in rows if row["kind"] == "classifier"):
        own = [row for row in rows if row["network"] == network]
        accuracy = next((row["accuracy"] for row in own if row["accuracy"]), None)
        share = f"{100 * float(accuracy):.1f}" if accuracy else NOTHING
        best = [best_of(own, group) for group in GROUPS]
        lines.append([network, share, *best])
    return contender.table(["network", "accuracy, %", "best, near", "best, far"], lines)


def covered(rows, coded):
    """AUROC of one network without and with a format with loss over every image."""
    lines = []
    for row in coded:
        key = ("kind", "network", "detector", "out")
        plain = [r for r in rows if all(r[k] == row[k] for k in key)]
        if plain:
            both = [float(plain[0]["auroc"]), float(row["auroc"])]
            lines.append((row["kind"], row["detector"], row["out"], both))
    found = {}
    for kind, detector, out, both in lines:
        cell = " → ".join(f"{100 * auroc:.1f}" for auroc in both)
        name = f"`{detector}`" + (" on pixel-statistics" if kind == "encoder" else "")
        found.setdefault(name, {})[out] = cell
    table = [[name, *[cells.get(out, NOTHING) for out in SETS]] for name, cells in found.items()]
    return contender.table(["detector", *SETS.values()], table)


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    rows, coded = results(folder, "cifar10"), results(folder, "cifar10-jpeg")
    tables = {
        "networks": networks,
        "paper": as_the_paper,
        "auroc": lambda rows: by_detector(rows, "auroc"),
        "fpr95": lambda rows: by_detector(rows, "fpr95"),
        "openood": beside_openood,
    }
    for name, make in tables.items():
        contender.between_marks(PAGE, make(rows) if rows else UNMEASURED, name)
    text = covered(rows, coded) if rows and coded else UNMEASURED
    contender.between_marks(PAGE, text, "jpeg")
    layers = results(folder, "cifar10-mahalanobis")
    text = by_detector(layers, "auroc") if layers else UNMEASURED
    contender.between_marks(PAGE, text, "mahalanobis")


if __name__ == "__main__":
    main()
