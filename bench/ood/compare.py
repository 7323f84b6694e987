"""AUROC of qualm's out-of-distribution detectors and of pytorch-ood's on the same arrays.

    python activations.py ARRAYS resnet20
    python compare.py ARRAYS/resnet20 path/to/qualm > RESULTS

Needs pytorch-ood 0.4.0 and scikit-learn. Detectors are fitted to cifar10_train, thresholds play no
part. `rho` is Spearman's correlation of both sides' scores over all scored items.
"""

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from pytorch_ood import detector as theirs
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

IN = "cifar10_test"
OUT = ["cifar100_test", "tinyimagenet_val", "tinyimagenet_scenes", "mnist_test"]

#: Detector, flags of ours, pytorch-ood's class and its arguments; None where there is none.
METHODS = [
    ("msp", [], "MaxSoftmax", {}),
    ("energy", [], "EnergyBased", {}),
    ("gen", [], "GEN", {}),
    ("mahalanobis", [], "Mahalanobis", {}),
    ("mahalanobis", ["--set", "normalise=true"], "Mahalanobis", {"unit": True}),
    ("mahalanobis", ["--features", "stage1,stage2,features"], "MultiMahalanobis", {}),
    ("rmds", [], "RMD", {}),
    ("rmds", ["--set", "normalise=true"], "RMD", {"unit": True}),
    ("knn", [], "KNN", {}),
    ("vim", [], "ViM", {"d": 32}),
    ("dum", [], None, {}),
    ("dum_circ", [], None, {}),
]


def ours(qualm, folder, name, flags, work):
    model = work / "model.qualm"
    fit = [qualm, "ood", "fit", folder / "cifar10_train.npz", "--detector", name, "-o", model, "-q"]
    subprocess.run([*fit, *flags], check=True, stdout=subprocess.DEVNULL)
    scores = {}
    for data in [IN, *OUT]:
        out = work / "scores.csv"
        score = [qualm, "ood", "score", model, folder / f"{data}.npz", "-o", out, "-q"]
        subprocess.run(score, check=True, stdout=subprocess.DEVNULL)
        with out.open() as file:
            scores[data] = np.array([float(row["score"]) for row in csv.DictReader(file)])
    return scores


def peers(folder, cls, options):
    arrays = {name: np.load(folder / f"{name}.npz") for name in ["cifar10_train", IN, *OUT]}
    tensor = lambda name, part: torch.from_numpy(arrays[name][part])
    unit = lambda z: z / z.norm(dim=1, keepdim=True)
    z, labels, logits = (tensor("cifar10_train", p) for p in ("features", "label", "logits"))
    if cls in ("MaxSoftmax", "EnergyBased", "GEN"):
        score = lambda name: getattr(theirs, cls)(None).predict_logits(tensor(name, "logits"))
    elif cls == "MultiMahalanobis":
        layers = lambda name: [tensor(name, p) for p in ("stage1", "stage2", "features")]
        detector = theirs.MultiMahalanobis([torch.nn.Identity()] * 3)
        detector.fit_structured(layers("cifar10_train"), labels)
        score = lambda name: detector.predict_structured(layers(name))
    else:
        prepare = unit if options.get("unit") else lambda z: z
        if cls == "ViM":
            # The last layer: features and logits determine it.
            ones = np.column_stack([z.numpy(), np.ones(len(z))]).astype(float)
            head = np.linalg.lstsq(ones, logits.numpy().astype(float), rcond=None)[0].T
            w, b = torch.tensor(head[:, :-1].copy()), torch.tensor(head[:, -1].copy())
            detector = theirs.ViM(None, d=options["d"], w=w, b=b)
        else:
            detector = getattr(theirs, cls)(None)
        detector.fit_features(prepare(z), labels)
        score = lambda name: detector.predict_features(prepare(tensor(name, "features")))
    return {name: score(name).double().numpy() for name in [IN, *OUT]}


def aurocs(scores):
    usual = scores[IN]
    for name in OUT:
        truth = np.repeat([0, 1], [len(usual), len(scores[name])])
        yield roc_auc_score(truth, np.concatenate([usual, scores[name]]))


def main(folder, qualm):
    print(f"| detector | {' | '.join(OUT)} | pytorch-ood | rho |")
    print("|---|" + "---|" * (len(OUT) + 2))
    with tempfile.TemporaryDirectory() as work:
        for name, flags, cls, options in METHODS:
            mine = ours(qualm, folder, name, flags, Path(work))
            label = " ".join([name, *(f for f in flags if not f.startswith("--"))])
            row = " | ".join(f"{100 * a:.2f}" for a in aurocs(mine))
            if cls is None:
                print(f"| {label} | {row} | | |", flush=True)
                continue
            peer = peers(folder, cls, options)
            beside = " ".join(f"{100 * a:.2f}" for a in aurocs(peer))
            both = [np.concatenate([s[d] for d in [IN, *OUT]]) for s in (mine, peer)]
            print(f"| {label} | {row} | {beside} | {spearmanr(*both)[0]:.6f} |", flush=True)


main(Path(sys.argv[1]), sys.argv[2])
