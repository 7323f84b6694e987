"""scikit-learn's own checks, and the places where its users put a detector."""

import warnings

import numpy as np
import pytest
from conftest import CLASSES, quick

sklearn = pytest.importorskip("sklearn")

import qualm  # noqa: E402
from sklearn.base import clone, is_outlier_detector  # noqa: E402
from sklearn.metrics import make_scorer, roc_auc_score  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402
from sklearn.utils.validation import check_is_fitted  # noqa: E402

#: The two checks that ask for scikit-learn's labels, 1 and -1, and for a decision function that
#: is low for outliers. Ours are PyOD's: 0 and 1, and high.
EXPECTED = {
    "check_outliers_train": "predict gives 0 and 1, and a higher decision function is stranger",
    "check_outliers_fit_predict": "fit_predict gives 0 and 1",
}


@parametrize_with_checks(
    [cls() for cls in CLASSES],
    expected_failed_checks=lambda estimator: EXPECTED,
)
def test_scikit_learns_checks(estimator, check):
    with warnings.catch_warnings():
        # Twenty rows are worth a warning here and there, not a failure.
        warnings.simplefilter("ignore", qualm.QualmWarning)
        check(estimator)


@pytest.mark.parametrize("cls", CLASSES)
def test_clones_are_unfitted_and_the_same(cls, rows):
    detector = quick(cls, contamination=0.2).fit(rows)
    copy = clone(detector)
    assert copy.get_params() == detector.get_params()
    assert is_outlier_detector(copy)
    with pytest.raises(sklearn.exceptions.NotFittedError):
        check_is_fitted(copy)
    check_is_fitted(detector)
    assert np.array_equal(copy.fit(rows).decision_scores_, detector.decision_scores_)


def test_in_a_pipeline(rows):
    pipeline = make_pipeline(StandardScaler(), quick(qualm.DUM)).fit(rows)
    scaled = StandardScaler().fit_transform(rows)
    assert np.array_equal(
        pipeline.decision_function(rows),
        quick(qualm.DUM).fit(scaled).decision_function(scaled),
    )
    assert pipeline.predict(rows)[0] == 1
    assert pipeline.set_params(dum__bag_size=4)[-1].bag_size == 4


def test_in_a_grid_search(rows):
    rng = np.random.default_rng(0)
    labels = np.zeros(200, dtype=int)
    odd = rng.choice(200, 20, replace=False)
    labels[odd] = 1
    rows[odd] += 4
    search = GridSearchCV(
        quick(qualm.KNN),
        {"n_neighbors": [1, 25], "method": ["largest", "mean"]},
        scoring=make_scorer(roc_auc_score, response_method="decision_function"),
        cv=3,
    ).fit(rows, labels)
    # Outliers are a cluster of their own here, which only many neighbours see through.
    assert search.best_params_["n_neighbors"] == 25
    assert search.best_score_ > 0.9


def test_invalid_parameters_are_named():
    with pytest.raises(ValueError, match="Invalid parameter 'depth' for estimator DUM\\(\\)"):
        qualm.DUM().set_params(depth=3)
