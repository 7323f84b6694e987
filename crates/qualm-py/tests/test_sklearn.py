"""scikit-learn's own checks, and the places where its users put a detector."""

import warnings

import numpy as np
import pytest
from conftest import CLASSES, quick

sklearn = pytest.importorskip("sklearn")

import qualm  # noqa: E402
from sklearn.base import clone, is_outlier_detector  # noqa: E402
from sklearn.ensemble import IsolationForest  # noqa: E402
from sklearn.metrics import make_scorer, roc_auc_score  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402
from sklearn.utils.validation import check_is_fitted, has_fit_parameter  # noqa: E402

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


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_after_a_step_whose_output_is_a_frame(rows, library):
    frames = pytest.importorskip(library)
    frame = frames.DataFrame({name: rows[:, j] for j, name in enumerate("abcde")})
    scaler = StandardScaler().set_output(transform=library)
    pipeline = make_pipeline(scaler, quick(qualm.DUM)).fit(frame)
    assert pipeline[-1].feature_names_in_.tolist() == list("abcde")
    scaled = StandardScaler().fit_transform(rows)
    expected = quick(qualm.DUM).fit(scaled).decision_function(scaled)
    assert np.allclose(pipeline.decision_function(frame), expected, rtol=1e-6)
    # As the setting of a whole pipeline, and as that of all: a detector transforms nothing.
    whole = make_pipeline(StandardScaler(), StandardScaler(), quick(qualm.DUM))
    with sklearn.config_context(transform_output=library):
        assert whole.fit(frame)[-1].feature_names_in_.tolist() == list("abcde")


@pytest.mark.parametrize("cls", CLASSES)
def test_neither_a_score_nor_a_transformer(cls, rows):
    detector = quick(cls).fit(rows)
    for name in ("score", "transform", "fit_transform", "set_output"):
        assert not hasattr(detector, name)
    # Without a score a search must be told what to measure, and says so.
    with pytest.raises(TypeError, match="no scoring is specified, .*'score'"):
        GridSearchCV(quick(cls), {"verbose": [0]}, cv=2).fit(rows)


@pytest.mark.parametrize("cls", CLASSES)
def test_sample_weights_are_refused(cls, rows):
    weights = np.ones(200)
    message = f"{cls.__name__} has no sample weights .*repeat rows.*choice\\(len\\(X\\), n"
    for method in ("fit", "fit_predict"):
        with pytest.raises(TypeError, match=message):
            getattr(quick(cls), method)(rows, sample_weight=weights)
        with pytest.raises(TypeError, match="unexpected keyword argument 'weights'"):
            getattr(quick(cls), method)(rows, weights=None)
    with pytest.raises(TypeError, match=message):
        make_pipeline(quick(cls)).fit(rows, **{f"{cls.__name__.lower()}__sample_weight": weights})
    # None is what others pass where there are none.
    detector = quick(cls).fit(rows, sample_weight=None)
    assert np.array_equal(detector.decision_scores_, quick(cls).fit(rows).decision_scores_)
    assert np.array_equal(quick(cls).fit_predict(rows, sample_weight=None), detector.labels_)
    assert not has_fit_parameter(detector, "sample_weight")


def test_what_to_do_in_place_of_weights(rows):
    w = np.arange(200)
    with pytest.raises(TypeError) as error:
        qualm.KNN().fit(rows, sample_weight=w)
    scope = {"numpy": np, "X": rows, "n": 50, "w": w}
    for line, n in (
        ("X[numpy.repeat(numpy.arange(len(X)), w)]", w.sum()),
        ("X[numpy.random.default_rng(0).choice(len(X), n, p=w / w.sum())]", 50),
    ):
        assert line in str(error.value)
        assert eval(line, scope).shape == (n, 5)


@pytest.mark.parametrize("cls", CLASSES)
def test_warnings_about_names_are_scikit_learns(cls, rows):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows, columns=list("abcde"))
    for fitted, scored in ((rows, frame), (frame, rows)):
        for method in ("predict", "score_samples", "decision_function"):
            theirs, ours = IsolationForest(n_estimators=2).fit(fitted), quick(cls).fit(fitted)
            with pytest.warns(UserWarning, match="feature names") as expected:
                getattr(theirs, method)(scored)
            with pytest.warns(UserWarning, match="feature names") as found:
                getattr(ours, method)(scored)
            assert len(found) == 1
            words = str(expected[0].message).replace("IsolationForest", cls.__name__)
            # Theirs first, so that a filter for theirs finds ours.
            assert str(found[0].message).startswith(words)
            assert issubclass(found[0].category, expected[0].category)


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
