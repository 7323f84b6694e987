"""One battery for all twelve classes."""

import ast
import copy
import inspect
import json
import pickle
import re
import warnings

import numpy as np
import pytest
import qualm
from conftest import CLASSES, QUICK, TRAINED, quick
from qualm import _core

every = pytest.mark.parametrize("cls", CLASSES)

#: What the library says about each detector, by name.
REGISTRY = {detector["name"]: detector for detector in json.loads(_core.detectors())}


def test_there_are_as_many_classes_as_detectors():
    assert sorted(cls._detector for cls in CLASSES) == sorted(REGISTRY)
    assert all(cls.__name__ in qualm.__all__ for cls in CLASSES)


@every
def test_parameters_are_the_keys_of_the_registry(cls):
    keys = REGISTRY[cls._detector]["keys"]
    own = cls().get_params()
    call = {"contamination": 0.1, "random_state": 0, "n_jobs": -1, "verbose": 0}
    call["labels"] = "pyod"
    call |= {"missing": "fail", "na": (), "encode": None, "unknown": "fail"}
    call |= {"max_categories": None, "dates": False}
    assert {name: own.pop(name) for name in call} == call
    if cls is qualm.DUM:
        # Its defaults are those of the preset.
        assert own.pop("preset") == "default"
        assert own == dict.fromkeys(keys)
    else:
        assert json.loads(json.dumps(own)) == keys


@every
def test_docstrings_say_what_the_registry_says(cls):
    detector = REGISTRY[cls._detector]
    summary = cls.__doc__.splitlines()[0]
    assert detector["summary"].lower() in summary.lower()
    documented = dict(re.findall(r"^ {4}(\w+) : .*, default=(.+)$", cls.__doc__, re.MULTILINE))
    for name, default in detector["keys"].items():
        assert json.loads(json.dumps(ast.literal_eval(documented[name]))) == default, name
    for name in inspect.signature(cls).parameters:
        assert name in cls.__doc__, name
    if cls is qualm.DUM:
        for preset in detector["presets"]:
            assert f"- '{preset}', " in cls.__doc__


@every
def test_the_odd_row_is_found_and_everything_has_its_shape(cls, rows):
    detector = quick(cls)
    assert detector.fit(rows) is detector
    assert detector.decision_scores_.shape == (200,)
    assert detector.decision_scores_.argmax() == 0
    assert detector.labels_[0] == 1
    assert detector.labels_.sum() == (detector.decision_scores_ > detector.threshold_).sum()
    assert np.array_equal(detector.fit_predict(rows), detector.labels_)
    scores = detector.decision_function(rows)
    assert scores.dtype == np.float64
    assert scores.shape == (200,)
    assert np.array_equal(detector.score_samples(rows), -scores)
    assert set(np.unique(detector.predict(rows))) <= {0, 1}
    probabilities = detector.predict_proba(rows)
    assert probabilities.shape == (200, 2)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    confidence = detector.predict_confidence(rows)
    assert ((confidence >= 0) & (confidence <= 1)).all()
    labels, same = detector.predict(rows, return_confidence=True)
    assert np.array_equal(labels, detector.predict(rows))
    assert np.array_equal(same, confidence)
    p_values = detector.p_values(rows)
    assert ((p_values > 0) & (p_values <= 1)).all()
    reference = detector._model.reference_scores()
    by_hand = [(1 + (reference >= score).sum()) / (1 + len(reference)) for score in scores]
    assert np.array_equal(p_values, by_hand)
    assert detector.n_features_in_ == 5
    assert not hasattr(detector, "feature_names_in_")


@every
def test_contamination_is_pyods_percentile(cls, rows):
    for contamination in (0.1, 0.03, 0.5):
        detector = quick(cls, contamination=contamination).fit(rows)
        expected = np.percentile(detector.decision_scores_, 100 * (1 - contamination))
        assert detector.threshold_ == expected


@every
def test_the_threshold_moves_without_fitting(cls, rows):
    detector = quick(cls).fit(rows)
    scores = detector.decision_scores_
    assert detector.set_threshold(fpr=0.02) is detector
    assert (scores > detector.threshold_).sum() <= 4
    detector.set_threshold(contamination=0.25)
    assert detector.threshold_ == np.percentile(scores, 75)
    detector.set_threshold(threshold=scores[0] - 1e-9)
    assert detector.labels_[0] == 1
    for wrong in ({}, {"fpr": 0.1, "threshold": 1.0}):
        with pytest.raises(ValueError, match="exactly one"):
            detector.set_threshold(**wrong)
    with pytest.raises(ValueError, match="fpr is 2, expected"):
        detector.set_threshold(fpr=2)


@every
def test_rows_apart_calibrate(cls, rows):
    detector = quick(cls).fit(rows[:100]).calibrate(rows[100:])
    scores = detector.decision_function(rows[100:])
    assert np.array_equal(np.sort(scores), detector._model.reference_scores())
    assert detector.p_values(rows[100:]).min() == 2 / 101


@every
def test_one_seed_one_answer(cls, rows):
    one = quick(cls, n_jobs=1).fit(rows)
    two = quick(cls, n_jobs=2).fit(rows)
    assert np.array_equal(one.decision_scores_, two.decision_scores_)
    assert np.array_equal(one.decision_function(rows), two.decision_function(rows))
    alone = [one.decision_function(rows[i : i + 1])[0] for i in range(20)]
    assert np.array_equal(alone, one.decision_function(rows)[:20])


@pytest.mark.parametrize("cls", [c for c in CLASSES if "random" in c.__doc__ or c is qualm.DUM])
def test_random_state_is_a_number_or_a_generator_or_none(cls, rows):
    scores = lambda state: quick(cls, random_state=state).fit(rows).decision_scores_
    generators = [np.random.default_rng, np.random.RandomState]
    for generator in generators:
        assert np.array_equal(scores(generator(3)), scores(generator(3)))
    assert np.array_equal(scores(np.int64(7)), scores(7))
    for wrong in (-1, 2**64):
        with pytest.raises(ValueError, match="random_state"):
            scores(wrong)
    for wrong in ("seed", 1.5, True):
        with pytest.raises(TypeError, match="random_state"):
            scores(wrong)


def test_no_random_state_is_another_one_each_time(rows):
    first, second = (qualm.SP(random_state=None).fit(rows).decision_scores_ for _ in range(2))
    assert not np.array_equal(first, second)


@every
def test_kept_in_a_file_in_a_pickle_and_in_a_copy(cls, rows, tmp_path):
    detector = quick(cls, contamination=0.2, random_state=5).fit(rows)
    scores = detector.decision_function(rows)
    for same in (pickle.loads(pickle.dumps(detector)), copy.deepcopy(detector)):
        assert np.array_equal(same.decision_function(rows), scores)
        assert np.array_equal(same.decision_scores_, detector.decision_scores_)
        assert repr(same) == repr(detector)
    path = tmp_path / "model.qualm"
    detector.save(path)
    loaded = qualm.load(path)
    assert type(loaded) is cls
    expected = {**detector.get_params(), "n_jobs": -1}
    if cls is qualm.DUM:
        # What was left to the rows is kept as they decided it.
        names = ("network", "bandwidth", "exponent", "scaling", "metric")
        expected.update((name, detector.spec_[name]) for name in names)
    assert loaded.get_params() == expected
    assert np.array_equal(loaded.decision_function(rows), scores)
    assert np.array_equal(loaded.p_values(rows), detector.p_values(rows))
    assert loaded.threshold_ == detector.threshold_
    assert loaded.provenance_["n_rows"] == 200
    assert loaded.provenance_["seed"] == 5
    with pytest.raises(AttributeError, match="not kept in a model file"):
        _ = loaded.decision_scores_
    # The same again, to the byte.
    assert loaded._model.to_bytes() == detector._model.to_bytes() == path.read_bytes()
    # With the scores of the fitted rows, if they are asked for.
    detector.save(path, scores=True)
    kept = qualm.load(path)
    assert np.array_equal(kept.decision_scores_, detector.decision_scores_)
    assert np.array_equal(kept.labels_, detector.labels_)
    assert kept.to_bytes() == detector.to_bytes() != kept.to_bytes(scores=True)
    with pytest.raises(ValueError, match="loaded from a file without decision_scores_"):
        loaded.to_bytes(scores=True)
    # And it can be fitted anew.
    loaded.fit(rows)
    assert np.array_equal(loaded.decision_scores_, detector.decision_scores_)


@every
def test_columns_explain_a_score(cls, rows):
    rows[:, :] = np.random.default_rng(1).normal(size=rows.shape)
    rows[0, 3] = 12
    more = {"n_estimators": 100, "max_samples": 128} if cls is qualm.IForest else {}
    detector = quick(cls, **more).fit(rows)
    features, shares = detector.explain(rows[:4], k=2)
    assert features.shape == shares.shape == (4, 2)
    assert (shares >= 0).all()
    assert (shares.sum(axis=1) <= 1 + 1e-9).all()
    if cls is not qualm.DUM:
        assert features[0, 0] == 3
    assert detector.explain(rows[:4]).shares.shape == (4, 3)
    with pytest.raises(ValueError, match="cannot explain by 6 features"):
        detector.explain(rows, k=6)


def test_two_columns_explain_a_score(rows):
    assert qualm.KNN().fit(rows[:, :2]).explain(rows[:4, :2]).features.shape == (4, 2)


@every
def test_presets(cls, rows):
    assert repr(cls.from_preset("default")) == f"{cls.__name__}()"
    paper = cls.from_preset("paper", n_jobs=2, **(TRAINED if cls is qualm.DUM else QUICK[cls]))
    assert paper.n_jobs == 2
    assert paper.fit(rows).spec_["space"] == "minmax"
    with pytest.raises(ValueError, match="no preset 'best'"):
        cls.from_preset("best")


def test_presets_of_dum(rows):
    fitted = lambda *preset, **keys: qualm.DUM(*preset, **keys).fit(rows).spec_
    default = fitted()
    assert default == fitted("auto") == fitted(network="kernel") == fitted(preset="default")
    # Of five columns one has at least a tenth of the variance.
    chosen = {"network": "kernel", "scaling": "standardise", "metric": "balanced"}
    chosen.update(bandwidth=0.5, exponent=1)
    assert default == {**default, **chosen}
    vectors = {"scaling": "unit", "metric": "robust", "members": 1}
    assert fitted("embedding") == {**default, **vectors}
    # Clean rows have narrower neighbourhoods.
    clean = {"reference": "clean", "bandwidth": 0.1, "exponent": 3}
    assert fitted(reference="clean") == {**default, **clean}
    # What is given wins over the preset.
    given = {"metric": "normal", "anchors": 50, "bag_size": 3}
    assert fitted(**given) == {**default, **given}
    assert fitted("clusters", **TRAINED)["cells"] == "auto"
    assert fitted("sphere", members=2, **TRAINED)["members"] == 2
    for wrong, error, message in (
        ("best", ValueError, "no preset 'best'"),
        (3, TypeError, "name"),
        (None, TypeError, "name"),
    ):
        with pytest.raises(error, match=message):
            qualm.DUM(wrong).fit(rows)


def test_what_asks_for_gradient_steps_makes_a_multilayer_perceptron(rows):
    trained = qualm.DUM(**TRAINED).fit(rows)
    assert (trained.spec_["network"], trained.spec_["metric"]) == ("mlp", "both")
    same = qualm.DUM("mlp", **TRAINED).fit(rows)
    assert np.array_equal(trained.decision_scores_, same.decision_scores_)
    asked = {"space": "sphere", "covariance": "diagonal", "objective": "cosine"}
    asked.update(bags="local", layers=2, learning_rate=0.01, weight_decay=0.1)
    asked.update(log_variance_bound=5.0, view_noise=0.1, bag_size="half", **TRAINED)
    for name, value in asked.items():
        with pytest.raises(ValueError, match=f"^{name} = .*network = .*mlp"):
            qualm.DUM(network="kernel", **{name: value}).fit(rows)
    with pytest.raises(ValueError, match="network = .*forest"):
        qualm.DUM(network="forest").fit(rows)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("exponent", 0),
        ("exponent", "steep"),
        ("bandwidth", -1.0),
        ("bandwidth", "wide"),
        ("anchors", 0),
        ("anchors", 1_000_001),
        ("metric", "taxi"),
        ("extrapolation", "far"),
    ],
)
def test_keys_of_dum_out_of_range_are_named(name, wrong, rows):
    with pytest.raises((TypeError, ValueError), match=f"{name} = "):
        qualm.DUM(**{name: wrong}).fit(rows)


def test_what_is_left_to_the_rows_is_said_by_the_model(tmp_path, rows):
    auto = qualm.DUM(scaling="auto", metric="auto").fit(rows)
    assert auto.get_params()["metric"] == "auto"
    auto.save(tmp_path / "auto.qualm")
    loaded = qualm.load(tmp_path / "auto.qualm")
    assert (loaded.spec_["scaling"], loaded.spec_["metric"]) == ("standardise", "balanced")
    assert auto.spec_ == loaded.spec_ == loaded.fit(rows).spec_
    assert np.array_equal(loaded.decision_function(rows), auto.decision_function(rows))


@every
def test_unfitted_detectors_say_so(cls, rows):
    for method in (
        "predict",
        "decision_function",
        "p_values",
        "score_samples",
        "explain",
    ):
        with pytest.raises(qualm.NotFittedError, match="not fitted yet"):
            getattr(cls(), method)(rows)
    with pytest.raises(qualm.NotFittedError):
        cls().save("nowhere.qualm")
    assert not hasattr(cls(), "threshold_")
    assert not hasattr(cls(), "labels_")


#: A parameter of each class that is a number, one out of range, and a word that is no number.
NUMBERS = {
    qualm.DUM: ("hidden", 0, "wide"),
    qualm.IForest: ("n_estimators", 0, "few"),
    qualm.LOF: ("n_neighbors", 0, "few"),
    qualm.OCSVM: ("nu", 2.0, "some"),
    qualm.SP: ("subset_size", 0, "few"),
    qualm.EllipticEnvelope: ("support_fraction", 1.5, "half"),
    qualm.KNN: ("n_neighbors", 0, "few"),
    qualm.ABOD: ("n_neighbors", 0, "few"),
    qualm.AutoEncoder: ("epochs", 0, "long"),
    qualm.LeSiNN: ("n_estimators", 0, "few"),
    qualm.REPEN: ("n_components", 0, "few"),
}


@pytest.mark.parametrize("cls", NUMBERS)
def test_numbers_out_of_range_are_named(cls, rows):
    name, low, wrong = NUMBERS[cls]
    with pytest.raises(ValueError, match=f"{name} = {low:g}"):
        cls(**{name: low}).fit(rows)
    with pytest.raises(TypeError, match=f"{name} = .*{wrong}"):
        cls(**{name: wrong}).fit(rows)


@every
def test_parameters_out_of_range_are_named(cls, rows):
    with pytest.raises(ValueError, match="space = .*nowhere"):
        cls(space="nowhere").fit(rows)
    with pytest.raises(ValueError, match="contamination is 0.7, expected"):
        quick(cls, contamination=0.7).fit(rows)
    for n_jobs, error in ((0, ValueError), ("all", TypeError), (1.5, TypeError)):
        with pytest.raises(error, match="n_jobs"):
            quick(cls, n_jobs=n_jobs).fit(rows)


def test_a_device_that_was_not_built_in_is_refused(rows):
    with pytest.raises(RuntimeError, match="device = cuda: .* device='cpu'"):
        qualm.DUM(device="cuda").fit(rows)


def test_numbers_that_json_lacks_are_named(rows):
    with pytest.raises(ValueError, match="bandwidth = nan: expected a finite number"):
        qualm.DUM(bandwidth=float("nan")).fit(rows)


def test_numpy_numbers_are_numbers(rows):
    assert qualm.KNN(n_neighbors=np.int64(3)).fit(rows).threshold_ > 0
    assert qualm.AutoEncoder(hidden=np.array([4, 2]), epochs=1).fit(rows).threshold_ > 0


@pytest.mark.parametrize("cls", [qualm.KNN, qualm.LOF, qualm.ABOD, qualm.SP])
def test_few_rows_lower_what_they_do_not_allow(cls, rows):
    few = rows[:8]
    name, used = ("subset_size", 4) if cls is qualm.SP else ("n_neighbors", 7)
    detector = cls(**{name: 8})
    with pytest.warns(qualm.QualmWarning, match=f"{name} = 8 .* 8 rows: {used} is used"):
        detector.fit(few)
    assert detector.get_params()[name] == 8
    assert detector.spec_[name] == used
    assert np.array_equal(detector.decision_scores_, cls(**{name: used}).fit(few).decision_scores_)


def test_warnings_are_warnings(rows):
    with pytest.warns(qualm.QualmWarning, match="max_samples = 500, but there are only 200 rows"):
        qualm.IForest(max_samples=500).fit(rows)


def test_a_copy_has_a_threshold_of_its_own(rows):
    detector = qualm.KNN().fit(rows)
    before = detector.threshold_
    copied = copy.copy(detector).set_threshold(fpr=0.01)
    assert copied.threshold_ > before == detector.threshold_
    assert np.array_equal(copied.decision_scores_, detector.decision_scores_)
    assert copy.copy(qualm.KNN(n_neighbors=3)).n_neighbors == 3


@every
def test_what_it_prints_as(cls, rows):
    detector = quick(cls)
    unfitted = repr(detector)
    assert repr(detector.fit(rows)) == (
        f"<{unfitted}, fitted on 200 rows x 5 columns, threshold {detector.threshold_:.6g}>"
    )


def test_warnings_and_diagnostics_are_kept(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": np.arange(60.0) ** 0.5, "b": np.arange(60.0) ** 0.3})
    frame["c"] = "text"
    with pytest.warns(qualm.QualmWarning) as caught:
        detector = qualm.IForest().fit(frame)
    assert detector.warnings_ == [str(warning.message) for warning in caught]
    assert detector.warnings_[0].startswith("1 of 3 columns not used: 'c' (text")
    assert 0 < detector.diagnostics_["score_entropy"] <= 1
    assert detector.diagnostics_ == detector.provenance_["diagnostics"]
    assert qualm.IForest(max_samples="auto").fit(frame[["a", "b"]]).warnings_ == []


def test_explanations_have_names(rows):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows, columns=list("abcde"))
    detector = qualm.KNN().fit(frame)
    found = detector.explain(frame[:4], k=2)
    assert found.names.tolist() == np.array(list("abcde"))[found.features].tolist()
    features, shares = found
    assert (features is found.features, shares is found.shares) == (True, True)
    assert np.array_equal(pickle.loads(pickle.dumps(found)).names, found.names)
    assert qualm.KNN().fit(rows).explain(rows[:4]).names is None


@pytest.mark.parametrize("method", ["decision_function", "predict", "p_values", "score_samples"])
def test_a_warning_names_the_line_that_led_to_it(method):
    pandas = pytest.importorskip("pandas")
    rows = np.random.default_rng(0).normal(size=(200, 3))
    detector = qualm.KNN().fit(pandas.DataFrame(rows, columns=["a", "b", "c"]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        getattr(detector, method)(rows)
    assert [warning.filename for warning in caught] == [__file__]
