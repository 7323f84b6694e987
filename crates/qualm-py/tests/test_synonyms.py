"""PyOD's and scikit-learn's names and values for our parameters."""

import warnings

import numpy as np
import pytest
import qualm

same_scores = lambda a, b, rows: np.array_equal(
    a.fit(rows).decision_scores_, b.fit(rows).decision_scores_
)

RENAMED = [
    (qualm.AutoEncoder, {"epoch_num": 3}, {"epochs": 3}),
    (qualm.AutoEncoder, {"lr": 0.01}, {"learning_rate": 0.01}),
    (qualm.AutoEncoder, {"hidden_neuron_list": [8, 4]}, {"hidden": [8, 4]}),
    (qualm.AutoEncoder, {"preprocessing": False}, {"space": "identity"}),
    (qualm.AutoEncoder, {"preprocessing": True}, {"space": "standardise"}),
    (qualm.AutoEncoder, {"optimizer_params": {"weight_decay": 0.1}}, {"weight_decay": 0.1}),
    (qualm.OCSVM, {"tol": 0.01}, {"tolerance": 0.01}),
]


@pytest.mark.parametrize(("cls", "theirs", "ours"), RENAMED)
def test_their_names_are_ours(cls, theirs, ours, rows):
    expected = cls(**ours)
    detector = cls(**theirs)
    assert detector.get_params() == expected.get_params()
    assert cls().set_params(**theirs).get_params() == expected.get_params()
    assert same_scores(detector, expected, rows)


def test_they_survive_clones_and_searches(rows):
    pytest.importorskip("sklearn")
    from sklearn.base import clone
    from sklearn.model_selection import GridSearchCV

    detector = qualm.AutoEncoder(epoch_num=3, hidden_neuron_list=[8])
    assert clone(detector).get_params() == detector.get_params()
    assert clone(detector).epoch_num == detector.epochs == 3
    labels = (np.arange(200) % 10 == 0).astype(int)
    search = GridSearchCV(detector, {"epoch_num": [1, 2]}, scoring="roc_auc", cv=2)
    search.fit(rows, labels)
    assert search.best_estimator_.epochs == search.best_params_["epoch_num"]
    values = {"gamma": ["auto", "scale", 0.5]}
    GridSearchCV(qualm.OCSVM(), values, scoring="roc_auc", cv=2).fit(rows, labels)
    assert clone(qualm.OCSVM(gamma="auto")).gamma == "auto"


VALUES = [
    (qualm.ABOD, {"method": "default"}, {"method": "exact"}),
    (qualm.IForest, {"max_samples": "auto"}, {"max_samples": 200}),
    (qualm.IForest, {"max_samples": 0.25}, {"max_samples": 50}),
    (qualm.IForest, {"max_samples": 1.0}, {"max_samples": 200}),
    (qualm.LeSiNN, {"max_samples": 0.1}, {"max_samples": 20}),
    (qualm.SP, {"subset_size": 0.1}, {"subset_size": 20}),
    (qualm.SP, {"subset_size": 0.001}, {"subset_size": 1}),
    (qualm.OCSVM, {"gamma": "auto"}, {"gamma": 0.2}),
    (qualm.KNN, {"n_neighbors": 5.0}, {"n_neighbors": 5}),
    (qualm.DUM, {"max_steps": 60.0}, {"max_steps": 60}),
]


@pytest.mark.filterwarnings("ignore:only 200 rows:qualm.QualmWarning")
@pytest.mark.parametrize(("cls", "theirs", "ours"), VALUES)
def test_their_values_are_ours(cls, theirs, ours, rows):
    detector = cls(**theirs)
    ((name, value),) = theirs.items()
    assert same_scores(detector, cls(**ours), rows)
    assert detector.get_params()[name] is value
    assert detector.spec_[name] == getattr(detector, f"{name}_") == ours[name]


def test_gamma_is_scale_where_nothing_is_said(rows):
    assert qualm.OCSVM().fit(rows).gamma_ == "scale"


@pytest.mark.parametrize(
    "harmless",
    [
        (qualm.KNN, {"algorithm": "auto", "leaf_size": 30, "radius": 2.0, "p": 2}),
        (qualm.LOF, {"novelty": True, "metric_params": None}),
        (qualm.IForest, {"bootstrap": False, "max_features": 1.0, "behaviour": "new"}),
        (qualm.OCSVM, {"kernel": "rbf", "degree": 3, "shrinking": True, "cache_size": 200}),
        (qualm.EllipticEnvelope, {"store_precision": True, "assume_centered": False}),
        (qualm.AutoEncoder, {"optimizer_name": "adam", "device": None, "batch_norm": False}),
    ],
)
def test_what_changes_nothing_is_taken(harmless):
    cls, keywords = harmless
    assert cls(**keywords).get_params() == cls().get_params()
    assert cls().set_params(**keywords).get_params() == cls().get_params()


@pytest.mark.parametrize(
    ("cls", "keywords", "message"),
    [
        (qualm.KNN, {"algorithm": "kd_tree"}, "algorithm = 'kd_tree' has no effect: neighbours"),
        (qualm.KNN, {"metric_params": {"V": np.eye(5)}}, "metric_params has no effect: metric="),
        (qualm.AutoEncoder, {"dropout_rate": 0.2}, "dropout_rate = 0.2 has no effect"),
        (qualm.AutoEncoder, {"batch_norm": True}, "batch_norm = True has no effect"),
    ],
)
def test_what_is_ignored_is_said(cls, keywords, message):
    with pytest.warns(qualm.QualmWarning, match=message) as caught:
        detector = cls(**keywords)
    # Where it was written.
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector.set_params(**detector.get_params())


@pytest.mark.parametrize(
    ("cls", "keywords", "error", "message"),
    [
        (qualm.IForest, {"max_features": 0.5}, ValueError, "max_features = 0.5: each tree"),
        (qualm.IForest, {"bootstrap": True}, ValueError, "bootstrap = True"),
        (qualm.KNN, {"metric_params": {"w": 1}}, ValueError, "but for 'minkowski' p"),
        (qualm.OCSVM, {"kernel": "linear"}, ValueError, "kernel = 'linear': the kernel is RBF"),
        (qualm.AutoEncoder, {"optimizer_params": {"eps": 1}}, ValueError, "'weight_decay'"),
        (qualm.AutoEncoder, {"epochs": 3, "epoch_num": 4}, TypeError, "epochs was given twice"),
        (qualm.KNN, {"neighbors": 3}, TypeError, "unexpected keyword argument 'neighbors'"),
        (qualm.KNN, {"epoch_num": 3}, TypeError, "unexpected keyword argument 'epoch_num'"),
        (qualm.DUM, {"epoch_num": 3}, TypeError, "unexpected keyword argument 'epoch_num'"),
    ],
)
def test_what_would_be_another_method_is_refused(cls, keywords, error, message):
    with pytest.raises(error, match=message):
        cls(**keywords)


@pytest.mark.parametrize("cls", [qualm.KNN, qualm.LOF, qualm.ABOD, qualm.SP])
def test_their_metrics_are_ours(cls, rows):
    assert same_scores(cls(metric="minkowski", p=2), cls(), rows)
    assert same_scores(cls(metric="minkowski", p=1), cls(metric="cityblock"), rows)
    assert same_scores(cls(p=1), cls(metric="cityblock"), rows)
    assert not same_scores(cls(metric="cosine"), cls(), rows)
    assert not same_scores(cls(metric="mahalanobis"), cls(), rows)
    with pytest.raises(ValueError, match="p = 1"):
        cls(metric="cosine", p=1).fit(rows)


def test_shares_and_counts_out_of_range(rows):
    for value in (1.5, 0.0, -0.5):
        with pytest.raises(ValueError, match=f"subset_size = {value:g}: expected a whole number"):
            qualm.SP(subset_size=value).fit(rows)
    with pytest.raises(TypeError, match="n_neighbors = 2.5: expected a"):
        qualm.KNN(n_neighbors=2.5).fit(rows)
    with pytest.raises(ValueError, match="Invalid parameter 'epoch_num' for estimator KNN"):
        qualm.KNN().set_params(epoch_num=3)
    with pytest.raises(TypeError, match="epochs was given twice"):
        qualm.AutoEncoder().set_params(epochs=3, epoch_num=4)


def test_a_search_ends_at_the_limit_of_steps(rows):
    detector = qualm.DUM(max_steps=200, batch_size=100).fit(rows)
    assert (detector.spec_["min_steps"], detector.spec_["max_steps"]) == (200, 200)
    with pytest.raises(ValueError, match="max_steps = 200: expected 0 .* or at least min_steps"):
        qualm.DUM(min_steps=300, max_steps=200).fit(rows)


class Nearest(qualm.KNN):
    """Passes what it does not know on."""

    def __init__(self, k=3, **keywords):
        super().__init__(n_neighbors=k, **keywords)
        self.k = k


class Forgetful(qualm.KNN):
    """Does not keep what it was given."""

    def __init__(self, k=3, **keywords):
        super().__init__(n_neighbors=k, **keywords)


def test_subclasses_pass_parameters_on(rows):
    detector = Nearest(k=7, method="mean", algorithm="auto")
    expected = qualm.KNN(n_neighbors=7, method="mean")
    assert same_scores(detector, expected, rows)
    assert detector.get_params() == {"k": 7, **expected.get_params()}
    assert "Nearest(k=7, n_neighbors=7, method='mean')" in repr(detector)
    with pytest.raises(AttributeError, match="has the parameter 'k', but does not keep it"):
        Forgetful().fit(rows).get_params()
