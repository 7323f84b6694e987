"""In PyOD's place: its example, its helpers, its formulas."""

import numpy as np
import pytest
from conftest import CLASSES, quick

pytest.importorskip("pyod")

from pyod.models.base import BaseDetector
from pyod.models.combination import aom, average, maximization, moa
from pyod.utils.data import evaluate_print, generate_data
from pyod.utils.utility import precision_n_scores, standardizer

every = pytest.mark.parametrize("cls", CLASSES)


class Reference(BaseDetector):
    """PyOD's own conversions around the scores of one of our detectors."""

    def __init__(self, detector):
        super().__init__(contamination=detector.contamination)
        self.detector = detector

    def fit(self, X, y=None):
        self._set_n_classes(y)
        self.decision_scores_ = self.detector.decision_scores_
        self._process_decision_scores()
        return self

    def decision_function(self, X):
        return self.detector.decision_function(X)


@pytest.fixture(scope="module")
def data():
    return generate_data(n_train=200, n_test=100, n_features=3, contamination=0.1, random_state=42)


@every
def test_the_documented_example(cls, data, capsys):
    X_train, X_test, y_train, y_test = data
    clf = quick(cls)
    clf.fit(X_train)
    y_train_pred = clf.labels_
    y_train_scores = clf.decision_scores_
    y_test_pred = clf.predict(X_test)
    y_test_scores = clf.decision_function(X_test)
    y_test_pred, confidence = clf.predict(X_test, return_confidence=True)
    assert set(y_train_pred) == set(y_test_pred) == {0, 1}
    assert confidence.shape == (100,)
    evaluate_print(cls.__name__, y_train, y_train_scores)
    evaluate_print(cls.__name__, y_test, y_test_scores)
    printed = capsys.readouterr().out
    assert printed.count(f"{cls.__name__} ROC:") == 2
    assert 0 <= precision_n_scores(y_test, y_test_scores) <= 1


@every
def test_every_number_is_pyods(cls, data):
    X_train, X_test, _, _ = data
    ours = quick(cls, contamination=0.13).fit(X_train)
    theirs = Reference(ours).fit(X_train)
    assert ours.threshold_ == theirs.threshold_
    assert np.array_equal(ours.labels_, theirs.labels_)
    assert np.array_equal(ours.predict(X_test), theirs.predict(X_test))
    for method in ("linear", "unify"):
        expected = theirs.predict_proba(X_test, method=method)
        assert np.allclose(ours.predict_proba(X_test, method=method), expected, atol=1e-12)
    expected = theirs.predict_confidence(X_test)
    assert np.allclose(ours.predict_confidence(X_test), expected, atol=1e-9)
    with pytest.raises(ValueError, match="method = 'rank'"):
        ours.predict_proba(X_test, method="rank")


def test_scores_are_combined(data):
    X_train, X_test, _, y_test = data
    X_train, X_test = standardizer(X_train, X_test)
    detectors = [quick(cls).fit(X_train) for cls in CLASSES]
    train = np.column_stack([d.decision_scores_ for d in detectors])
    test = np.column_stack([d.decision_function(X_test) for d in detectors])
    train, test = standardizer(train, test)
    from sklearn.metrics import roc_auc_score

    for combined in (average(test), maximization(test), aom(test, 6), moa(test, 6)):
        assert roc_auc_score(y_test, combined) > 0.9
