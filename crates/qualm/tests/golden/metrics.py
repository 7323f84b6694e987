"""Write metrics.json: ranking metrics and thresholds from scikit-learn and NumPy.

    pip install numpy scikit-learn
    python metrics.py

What scikit-learn has, it computes. DeLong's interval and precision at n with ties it has
not: they are written here from their definitions, without regard to speed.
"""

import json
from fractions import Fraction
from pathlib import Path
from statistics import NormalDist

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

LEVEL = 0.95


def delong_interval(scores: np.ndarray, outlier: np.ndarray) -> tuple[float, float]:
    """DeLong et al. (1988) by the plain O(mn) definition, clipped to [0, 1]."""
    x, y = scores[outlier == 1], scores[outlier == 0]
    psi = (x[:, None] > y[None, :]) + 0.5 * (x[:, None] == y[None, :])
    v10, v01 = psi.mean(axis=1), psi.mean(axis=0)
    variance = np.var(v10, ddof=1) / len(x) + np.var(v01, ddof=1) / len(y)
    half_width = NormalDist().inv_cdf((1 + LEVEL) / 2) * np.sqrt(variance)
    low, high = np.clip(psi.mean() + np.array([-half_width, half_width]), 0, 1)
    return float(low), float(high)


def fpr95(scores: np.ndarray, outlier: np.ndarray) -> float:
    fpr, tpr, _ = roc_curve(outlier, scores, drop_intermediate=False)
    return float(fpr[tpr >= 0.95].min())


def precision_at_n(scores: np.ndarray, outlier: np.ndarray) -> float:
    """Each row counts by its chance of a place among the n strangest, ties drawn by lot."""
    n = int(outlier.sum())
    caught = Fraction(0)
    for score, is_outlier in zip(scores, outlier, strict=True):
        above = int((scores > score).sum())
        level = int((scores == score).sum())
        chance = min(max(Fraction(n - above, level), Fraction(0)), Fraction(1))
        caught += chance * int(is_outlier)
    return float(caught / n)


def metrics(name: str, scores: np.ndarray, outlier: np.ndarray) -> dict:
    low, high = delong_interval(scores, outlier)
    auroc = float(roc_auc_score(outlier, scores))
    return {
        "name": name,
        "scores": scores.tolist(),
        "outlier": outlier.tolist(),
        "expected": {
            "n": len(scores),
            "n_outliers": int(outlier.sum()),
            "auroc": auroc,
            "auroc_ci_low": low,
            "auroc_ci_high": high,
            "aupr": float(average_precision_score(outlier, scores)),
            "fpr95": fpr95(scores, outlier),
            "precision_at_n": precision_at_n(scores, outlier),
            "auroc_unoriented": max(auroc, 1 - auroc),
        },
    }


def metric_cases() -> list[dict]:
    rng = np.random.default_rng(20)
    cases = []

    def case(name: str, n: int, share: float, shift: float, decimals: int | None) -> None:
        outlier = (rng.random(n) < share).astype(int)
        outlier[:2], outlier[2:4] = 1, 0  # two of each class at least
        scores = rng.normal(size=n) + shift * outlier
        if decimals is not None:
            scores = np.round(scores, decimals)
        cases.append(metrics(name, scores, outlier))

    case("distinct scores", 150, 0.3, 1.0, None)
    case("rare outliers", 200, 0.03, 1.5, None)
    case("mostly outliers", 120, 0.8, 0.5, None)
    case("reversed", 100, 0.4, -1.2, None)
    case("some ties", 150, 0.25, 0.8, 1)
    case("heavy ties", 200, 0.3, 0.7, 0)
    case("two of each", 4, 0.0, 0.0, None)

    outlier = np.arange(60) % 4 == 0
    cases.append(metrics("constant", np.full(60, 0.5), outlier.astype(int)))
    cases.append(metrics("two scores", (np.arange(60) % 3 == 0).astype(float), outlier.astype(int)))
    # 19 of 20 outliers at the top: a true-positive rate of 0.95 to the last bit.
    scores = np.concatenate([np.full(19, 3.0), [-3.0], rng.normal(size=40)])
    cases.append(metrics("19 of 20", scores, (np.arange(60) < 20).astype(int)))
    return cases


def threshold_cases() -> list[dict]:
    """numpy.percentile(scores, 100 * (1 - contamination)), PyOD's threshold.

    Compared bit for bit, so numbers are written as strings: not every JSON reader rounds
    decimals correctly.
    """
    rng = np.random.default_rng(21)
    cases = []
    for n in (1, 2, 7, 50, 101):
        scores = rng.normal(size=n) if n != 50 else np.round(rng.normal(size=n), 1)
        contaminations = [0.01, 0.05, 0.1, 0.15, 1 / 3, 0.5]
        cases.append(
            {
                "scores": [repr(float(score)) for score in scores],
                "contaminations": [repr(c) for c in contaminations],
                "thresholds": [
                    repr(float(np.percentile(scores, 100 * (1 - c)))) for c in contaminations
                ],
            }
        )
    return cases


def main() -> None:
    golden = {"metrics": metric_cases(), "thresholds": threshold_cases()}
    text = json.dumps(golden, indent=None, separators=(",", ":"))
    text = text.replace('{"name"', '\n{"name"').replace('{"scores"', '\n{"scores"')
    Path(__file__).with_name("metrics.json").write_text(text + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
