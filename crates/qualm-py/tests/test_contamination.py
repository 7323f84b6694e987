"""Thresholds that the scores decide: by a rule, or by a thresholder."""

import pickle

import numpy as np
import pytest
import qualm
from conftest import CLASSES, quick

every = pytest.mark.parametrize("cls", CLASSES)


class Highest:
    """Flags so many of the highest scores."""

    def __init__(self, count=7):
        self.count = count

    def eval(self, scores):
        self.seen = scores
        labels = np.zeros(len(scores), dtype=int)
        labels[np.argsort(scores)[len(scores) - self.count :]] = 1
        return labels


class Fitted:
    """Has labels after fitting, and no other way to tell."""

    def fit(self, scores):
        self.labels_ = (scores > np.median(scores)).astype(int)
        return self


@every
def test_auto_is_tukeys_fence(cls, rows):
    detector = quick(cls, contamination="auto").fit(rows)
    scores = detector.decision_scores_
    if cls is qualm.DUM:
        # Bounded logarithms, and negative variances: on these scales there are no bounds.
        open_scale = lambda scores: np.exp((scores - np.median(scores)) / np.std(scores))
    elif cls is qualm.ABOD:
        open_scale = lambda scores: -np.log(-scores)
    else:
        open_scale = lambda scores: scores
    first, third = np.percentile(open_scale(scores), [25, 75])
    expected = open_scale(scores) > third + 1.5 * (third - first)
    assert np.array_equal(detector.labels_, expected)
    assert detector.labels_[0] == 1
    assert detector.labels_.sum() < 40
    assert np.array_equal(
        detector.predict(rows), detector.decision_function(rows) > detector.threshold_
    )


@every
def test_a_thresholder_decides(cls, rows, tmp_path):
    thresholder = Highest()
    detector = quick(cls, contamination=thresholder).fit(rows)
    scores = detector.decision_scores_
    assert np.array_equal(detector.labels_, thresholder.eval(scores))
    assert detector.labels_.sum() == 7
    # The decision on a row does not depend on the rows beside it.
    alone = [detector.predict(rows[i : i + 1])[0] for i in range(5)]
    assert np.array_equal(alone, detector.predict(rows)[:5])
    assert detector.get_params()["contamination"] is thresholder
    # Only this rule changed: the scores are the same, and the threshold moves as any other.
    assert np.array_equal(scores, quick(cls).fit(rows).decision_scores_)
    probabilities = detector.predict_proba(rows)
    confidence = detector.predict_confidence(rows)
    for found in (probabilities, confidence):
        assert ((found >= 0) & (found <= 1)).all()
    detector.save(tmp_path / "model.qualm")
    for same in (qualm.load(tmp_path / "model.qualm"), pickle.loads(pickle.dumps(detector))):
        assert same.threshold_ == detector.threshold_
    assert detector.set_threshold(contamination=0.1).labels_.sum() == 20


def test_a_thresholder_is_not_changed(rows):
    thresholder = Highest()
    qualm.KNN(contamination=thresholder).fit(rows)
    assert not hasattr(thresholder, "seen")
    assert qualm.KNN(contamination=Fitted()).fit(rows).labels_.sum() == 100


def test_thresholders_of_all_or_none(rows):
    assert qualm.KNN(contamination=Highest(0)).fit(rows).labels_.sum() == 0
    assert qualm.KNN(contamination=Highest(200)).fit(rows).labels_.all()


def test_thresholders_that_do_not_follow_the_scores(rows):
    class Lowest(Highest):
        def eval(self, scores):
            return super().eval(-scores)

    with pytest.warns(qualm.QualmWarning, match="flags 7 rows, where Lowest flags 7"):
        assert qualm.KNN(contamination=Lowest()).fit(rows).labels_.sum() == 7

    class Wrong(Highest):
        def eval(self, scores):
            return scores

    with pytest.raises(ValueError, match="expected 200 of 0 and 1"):
        qualm.KNN(contamination=Wrong()).fit(rows)


def test_contamination_is_a_share_or_a_rule(rows):
    for wrong in ("automatic", "0.1", None, [0.1]):
        with pytest.raises(TypeError, match="contamination = .*: expected a number"):
            qualm.KNN(contamination=wrong).fit(rows)
    with pytest.raises(TypeError, match="fpr = '0.1': expected a number"):
        qualm.KNN().fit(rows).set_threshold(fpr="0.1")


@pytest.mark.filterwarnings("ignore:::pythresh")
@pytest.mark.parametrize("name", ["IQR", "MAD", "FILTER", "DSN"])
def test_pythresh(name, rows):
    thresholders = pytest.importorskip("pythresh.thresholds." + name.lower())
    thresholder = getattr(thresholders, name)()
    detector = qualm.KNN(contamination=thresholder).fit(rows)
    expected = thresholder.eval(detector.decision_scores_)
    assert np.array_equal(detector.labels_, expected)
    assert 0 < detector.labels_.sum() < 200
