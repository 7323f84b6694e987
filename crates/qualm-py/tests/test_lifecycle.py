"""PyOD's lifecycle beyond scores and labels, held against PyOD's own where that is installed."""

import math

import numpy as np
import pytest
import qualm
from conftest import CLASSES, quick

every = pytest.mark.parametrize("cls", CLASSES)


@pytest.fixture
def labels():
    return (np.arange(200) == 0).astype(int)


@every
def test_uncertain_decisions_are_rejected(cls, rows):
    detector = quick(cls).fit(rows)
    decided, confidence = detector.predict(rows, return_confidence=True)
    for T in (1, 4, 32):
        kept = detector.predict_with_rejection(rows, T=T)
        sure = np.abs(2 * confidence - 1) > 1 - 2 * math.exp(-T)
        assert np.array_equal(kept == -2, ~sure)
        assert np.array_equal(kept[sure], decided[sure])
    assert (kept == -2).any()
    assert detector.predict_with_rejection(rows, T=1)[0] == 1
    kept, stats = detector.predict_with_rejection(rows, return_stats=True)
    assert stats == list(detector.compute_rejection_stats())


def test_what_rejection_costs(rows, capsys):
    detector = qualm.KNN().fit(rows)
    share, bound, cost = detector.compute_rejection_stats()
    assert 0 < share < bound < 1
    assert 0 < cost < 1
    # The more certain a decision must be, the more are rejected; and what is rejected costs.
    assert detector.compute_rejection_stats(T=8)[0] < share
    assert detector.compute_rejection_stats(c_r=1)[2] > cost
    assert detector.compute_rejection_stats(delta=0.5)[1] < bound
    assert detector.compute_rejection_stats(verbose=True) == (share, bound, cost)
    assert capsys.readouterr().out.count("\n") == 3
    # It needs no fitted scores, only those of reference, and goes with the threshold.
    moved = detector.set_threshold(contamination=0.3).compute_rejection_stats()
    assert moved[0] > share
    for wrong in ({"T": 0}, {"delta": 1}, {"delta": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} = "):
            detector.compute_rejection_stats(**wrong)
    detector.set_threshold(threshold=1e9)
    with pytest.raises(ValueError, match="less than one of 200 rows"):
        detector.compute_rejection_stats()


@pytest.mark.filterwarnings("ignore:invalid value encountered in sqrt:RuntimeWarning")
@pytest.mark.parametrize("contamination", [0.02, 0.1, 0.5])
def test_rejection_is_pyods(rows, contamination):
    reference = pytest.importorskip("test_pyod").Reference
    ours = qualm.KNN(contamination=contamination).fit(rows)
    theirs = reference(ours).fit(rows)
    for T in (2, 12, 20):
        expected = theirs.compute_rejection_stats(T=T, c_r=0.3)
        found = ours.compute_rejection_stats(T=T, c_r=0.3)
        assert np.allclose(found, np.minimum(expected, [1, 1, np.inf]), atol=1e-9)
        expected = theirs.predict_with_rejection(rows, T=T, c_r=0.3)
        assert np.array_equal(ours.predict_with_rejection(rows, T=T), expected)


def test_fit_and_measure(rows, labels, capsys):
    detector = qualm.KNN()
    assert detector.fit_predict_score(rows, labels) == 1
    assert detector.fit_predict_score(rows, labels, scoring="prc_n_score") == 1
    assert capsys.readouterr().out == "roc_auc_score: 1.0\nprc_n_score: 1.0\n"
    # Ties count half, in either place.
    metrics = pytest.importorskip("sklearn.metrics")
    coarse = np.round(rows, 1)
    noisy = np.random.default_rng(1).integers(0, 2, 200)
    expected = metrics.roc_auc_score(noisy, qualm.KNN().fit(coarse).decision_scores_)
    assert np.isclose(detector.fit_predict_score(coarse, noisy), expected)
    utility = pytest.importorskip("pyod.utils.utility")
    expected = utility.precision_n_scores(noisy, detector.decision_scores_)
    assert detector.fit_predict_score(coarse, noisy, scoring="prc_n_score") == expected
    with pytest.raises(NotImplementedError, match="scoring = 'f1'"):
        detector.fit_predict_score(rows, labels, scoring="f1")
    for wrong in (labels[:7], labels + 1, labels * 0):
        with pytest.raises(ValueError, match="y: expected"):
            detector.fit_predict_score(rows, wrong)


def test_ranks_and_moments_of_the_fitted_scores(rows):
    detector = qualm.KNN().fit(rows)
    scores = detector.decision_scores_
    assert (detector._mu, detector._sigma) == pytest.approx((scores.mean(), scores.std()))
    ranks = detector._predict_rank(rows)
    by_hand = [(scores < score).sum() for score in detector.decision_function(rows)]
    assert np.array_equal(ranks, by_hand)
    assert detector._predict_rank(rows, normalized=True).max() == 1


def test_an_instance_of_pyods_base_class(rows):
    base = pytest.importorskip("pyod.models.base").BaseDetector
    assert isinstance(qualm.KNN(), base)
    assert issubclass(qualm.DUM, base)
    assert not isinstance(rows, base)


@pytest.mark.parametrize(
    "first", ["import qualm", "import pyod.models.base", "import qualm; d = qualm.KNN()"]
)
def test_pyods_base_class_is_found_whoever_is_imported_first(first):
    pytest.importorskip("pyod")
    from test_process import python

    program = f"""
{first}
import sys
assert ("pyod" in sys.modules) == {"pyod" in first}
import qualm
d = qualm.KNN()
from pyod.models.base import BaseDetector
assert isinstance(d, BaseDetector)
"""
    done = python(program)
    assert done.returncode == 0, done.stderr


def test_pyods_ensembles_take_ours(rows):
    pytest.importorskip("pyod")
    from pyod.models.embedding import EmbeddingOD
    from pyod.models.lscp import LSCP

    members = [qualm.LOF(n_neighbors=n) for n in (5, 10)]
    ensemble = LSCP(members, n_bins=2, random_state=0)
    assert ensemble.fit(rows).decision_scores_.argmax() == 0

    class Encoder:
        def encode(self, texts):
            return rows[: len(texts)]

        __call__ = encode

    detector = EmbeddingOD(encoder=Encoder().encode, detector=qualm.KNN())
    detector.fit([f"text {i}" for i in range(200)])
    assert isinstance(detector.detector_, qualm.KNN)
    assert detector.decision_scores_.argmax() == 0


@every
def test_scikit_learns_labels(cls, rows):
    detector = quick(cls).fit(rows)
    ours = detector.predict(rows)
    assert np.array_equal(detector.predict(rows, labels="sklearn"), 1 - 2 * ours)
    other = quick(cls, labels="sklearn")
    assert np.array_equal(other.fit_predict(rows), 1 - 2 * detector.labels_)
    assert np.array_equal(other.predict(rows), 1 - 2 * ours)
    assert np.array_equal(other.predict(rows, labels="pyod"), ours)
    labels, confidence = other.predict(rows, return_confidence=True)
    assert np.array_equal(labels, 1 - 2 * ours)
    assert np.array_equal(confidence, detector.predict_confidence(rows))
    # Scores and PyOD's attribute stay what they are.
    assert np.array_equal(other.labels_, detector.labels_)
    assert np.array_equal(other.decision_function(rows), detector.decision_function(rows))
    with pytest.raises(ValueError, match="labels = 'signs'"):
        quick(cls, labels="signs").fit(rows)
    with pytest.raises(ValueError, match="labels = 'signs'"):
        detector.predict(rows, labels="signs")
