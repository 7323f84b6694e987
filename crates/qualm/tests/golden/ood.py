"""Writes ood.json: features, logits and labels of a made classifier, and the scores that pytorch-ood
gives them. The numbers are those of float32; all but ViM, which rounds to it, computes in float64."""

import json
from pathlib import Path

import numpy as np
import torch
from pytorch_ood.detector import (
    GEN,
    KNN,
    RMD,
    EnergyBased,
    Mahalanobis,
    MaxSoftmax,
    MultiMahalanobis,
    ViM,
)
from sklearn.linear_model import LogisticRegression

N, NEW, D, FIRST, C = 300, 60, 12, 5, 4


def made():
    """Rows around the centres of classes, correlated; the new ones lie between and beyond them."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(C, D)) * 1.5
    mix = np.eye(D) + 0.4 * rng.normal(size=(D, D))
    labels = rng.integers(0, C, size=N)
    z = centres[labels] + rng.normal(size=(N, D)) @ mix.T
    new = rng.normal(size=(NEW, D)) @ mix.T * np.linspace(0.5, 3, NEW)[:, None]
    weight = rng.normal(size=(C, D)) * 0.2 + centres * 0.1
    bias = rng.normal(size=C) * 0.5
    first = np.tanh(rng.normal(size=(D, FIRST)) * 0.3)
    arrays = (z, new, weight, bias, z @ first, new @ first)
    return [torch.tensor(a.astype(np.float32).astype(float)) for a in arrays], torch.tensor(labels)


def single(logits):
    return logits.float().double()


def digits(values, n=9):
    return [float(f"{value:.{n}g}") for value in np.ravel(values)]


def main():
    torch.set_default_dtype(torch.float64)
    (z, new, weight, bias, z1, new1), y = made()
    logits, new_logits = (single(rows @ weight.T + bias) for rows in (z, new))

    # GEN moves smaller ones up there, which is not in the paper.
    assert new_logits.softmax(dim=1).min() > 1e-7

    def unit(rows):
        return rows / rows.norm(dim=1, keepdim=True)

    def features(detector, rows, others):
        return detector.fit_features(rows, y).predict_features(others)

    several = MultiMahalanobis([torch.nn.Identity()] * 2).fit_structured([z1, z], y)
    scores = {
        "msp": MaxSoftmax(None).predict_logits(new_logits),
        "msp_warm": MaxSoftmax(None, t=3.0).predict_logits(new_logits),
        "energy": EnergyBased(None).predict_logits(new_logits),
        "energy_warm": EnergyBased(None, t=3.0).predict_logits(new_logits),
        "gen": GEN(None, gamma=0.1).predict_logits(new_logits),
        "gen_two": GEN(None, gamma=0.5, M=2).predict_logits(new_logits),
        "mahalanobis": features(Mahalanobis(None), z, new),
        "mahalanobis_unit": features(Mahalanobis(None), unit(z), unit(new)),
        "mahalanobis_layers": several.predict_structured([new1, new]),
        "rmds": features(RMD(None), z, new),
        "rmds_unit": features(RMD(None), unit(z), unit(new)),
        "knn": features(KNN(None, k=20), z, new),
        "knn_raw": features(KNN(None, k=20, normalize=False), z, new),
        "vim": features(ViM(None, d=5, w=weight, b=bias), z, new),
    }
    # The layers as Lee et al. weigh them, by scikit-learn: the first half of the new rows are the
    # known outliers.
    half = NEW // 2
    parts = []
    for rows, others in ((z1, new1), (z, new)):
        detector = Mahalanobis(None).fit_features(rows, y)
        parts.append([2 * N * detector.predict_features(part).numpy() for part in (rows, others)])
    usual, others = (np.stack([layer[i] for layer in parts], axis=1) for i in (0, 1))
    known = np.concatenate([usual, others[:half]])
    mean, deviation = known.mean(axis=0), known.std(axis=0)
    model = LogisticRegression(tol=1e-10, max_iter=1000)
    model.fit((known - mean) / deviation, np.repeat([0, 1], [N, half]))
    scores["mahalanobis_weighed"] = torch.tensor(model.decision_function((others - mean) / deviation))

    golden = {
        "d": [FIRST, D],
        "c": C,
        "labels": y.tolist(),
        "rows": {"first": digits(z1), "features": digits(z), "logits": digits(logits)},
        "new": {"first": digits(new1), "features": digits(new), "logits": digits(new_logits)},
        "scores": {name: digits(values, 8) for name, values in scores.items()},
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(golden) + "\n")


main()
