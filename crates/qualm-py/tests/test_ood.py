"""Out-of-distribution detectors: pytorch-ood's verbs beside ours, arrays of any kind, files."""

import json
import pickle
import subprocess

import numpy as np
import pytest
import qualm
from qualm import ood

N, D, C = 240, 6, 3
TRAINED = {"min_steps": 60, "max_steps": 60, "epochs": 1, "hidden": 16, "batch_size": 16}


@pytest.fixture
def made():
    """Features around three centres, labels, and the logits of a linear head."""
    rng = np.random.default_rng(0)
    labels = np.arange(N) % C
    features = (rng.normal(size=(N, D)) + 5 * np.eye(D)[labels]).astype(np.float32)
    w, b = rng.normal(size=(C, D)), rng.normal(size=C)
    logits = (features @ w.T + b).astype(np.float32)
    return features, labels, logits, w, b


def detectors():
    return [
        ood.MaxSoftmax(),
        ood.ODIN(),
        ood.EnergyBased(),
        ood.GEN(),
        ood.Mahalanobis(normalise=True),
        ood.ResidualFlow(couplings=2, epochs=2),
        ood.RMD(),
        ood.KNN(k=10),
        ood.ViM(d=3),
        ood.DUM(**TRAINED),
        ood.DUMCirc(**TRAINED),
    ]


each = pytest.mark.parametrize("detector", detectors(), ids=lambda d: type(d).__name__)


@each
def test_the_lifecycle_of_a_detector(detector, made, tmp_path):
    features, labels, logits, _, _ = made
    fitted = detector.fit(features, labels, logits=logits)
    assert fitted is detector
    scores = detector.decision_function(features, logits=logits)
    assert scores.shape == (N,)
    assert scores.dtype == np.float64
    p_values = detector.p_values(features, logits=logits)
    assert ((p_values > 0) & (p_values <= 1)).all()
    decided = detector.predict(features, logits=logits)
    assert np.array_equal(decided, scores > detector.threshold_)
    assert (detector.decision_scores_ > detector.threshold_).mean() <= 0.05
    detector.set_threshold(fpr=0.5)
    assert (detector.decision_scores_ > detector.threshold_).mean() > 0.3

    detector.save(tmp_path / "d.qualm")
    for again in (ood.load(tmp_path / "d.qualm"), pickle.loads(pickle.dumps(detector))):
        assert type(again) is type(detector)
        assert again.spec_ == detector.spec_
        assert again.threshold_ == detector.threshold_
        assert np.array_equal(again.decision_function(features, logits=logits), scores)
    with pytest.raises(AttributeError, match="no scores of its fitted items"):
        _ = ood.load(tmp_path / "d.qualm").decision_scores_
    calibrated = ood.load(tmp_path / "d.qualm").calibrate(features[:99], logits=logits[:99])
    assert calibrated.p_values(features, logits=logits).min() >= 0.01


def test_every_detector_of_the_library_has_a_class():
    names = {info["name"] for info in json.loads(qualm._core.ood_detectors())}
    assert names == set(qualm._ood._CLASSES)
    assert {type(detector).__name__ for detector in detectors()} < set(ood.__all__)


def test_what_a_network_gives_as_arrays(made):
    features, labels, logits, _, _ = made
    exp = np.exp(logits / 7.0)
    odin = ood.ODIN(temperature=7.0).predict_logits(logits)
    assert np.allclose(odin, 1 - exp.max(axis=1) / exp.sum(axis=1), rtol=1e-5)

    # The largest logit is that of the label, so that every item is held against its own class.
    sure = 10 * np.eye(C)[labels]
    # Most items lie within the bounds of their class, which is a deviation of 0.
    with pytest.warns(qualm.QualmWarning, match="distinct scores"):
        gram = ood.Gram().fit(features, labels, logits=sure)
    assert (gram.decision_function(features + 20, logits=sure) > gram.threshold_).all()
    assert np.median(gram.decision_function(features, logits=sure)) == 0

    turned = np.zeros((N, 16))
    turned[:, ::5] = np.linspace(0, 3, N)[:, None]
    scores = ood.Rotation(classifier=False).fit(turned).decision_function(turned)
    assert np.isclose(scores[0], np.log(4))
    assert (np.diff(scores) < 0).all()


def test_the_verbs_of_pytorch_ood(made):
    features, labels, logits, w, b = made
    for detector in (ood.Mahalanobis(None), ood.RMD(None), ood.KNN(None, k=10)):
        scores = detector.fit_features(features, labels).predict_features(features)
        assert np.array_equal(scores, detector.decision_function(features))
    for detector in (ood.MaxSoftmax(None), ood.EnergyBased(None), ood.GEN(None)):
        scores = detector.predict_logits(logits)
        assert np.array_equal(detector.fit_logits(logits).predict_logits(logits), scores)
    exp = np.exp(logits.astype(float))
    expected = 1 - exp.max(axis=1) / exp.sum(axis=1)
    assert np.allclose(ood.MaxSoftmax().predict_logits(logits), expected, rtol=1e-6)
    # The last layer's weights are found; giving them gives the same scores.
    head = ood.ViM(None, d=3, w=w, b=b).fit_features(features, labels)
    found = ood.ViM(d=3).fit(features, logits=logits)
    given, recovered = head.predict_features(features), found.decision_scores_
    assert np.allclose(given, recovered, atol=1e-4)


def test_tensors_give_tensors(made):
    torch = pytest.importorskip("torch")
    features, labels, logits, _, _ = made
    tensors = [torch.tensor(array) for array in (features, labels, logits)]
    tensors[0].requires_grad_(True)
    detector = ood.Mahalanobis().fit_features(*tensors[:2])
    scores = detector.predict_features(tensors[0])
    assert torch.is_tensor(scores)
    assert np.array_equal(scores.numpy(), ood.Mahalanobis().fit(features, labels).decision_scores_)
    assert torch.is_tensor(ood.EnergyBased().predict_logits(tensors[2]))


def test_layers_and_known_outliers(made):
    features, labels, _, _, _ = made
    first = np.tanh(features[:, :4])
    layers = ood.Mahalanobis().fit([first, features], labels)
    sum_of = sum(ood.Mahalanobis().fit(x, labels).decision_scores_ for x in (first, features))
    assert np.allclose(layers.decision_scores_, sum_of, rtol=1e-9)
    known = labels.copy()
    known[::5] = -1
    with pytest.warns(qualm.QualmWarning, match="48 rows have a label below 0.*left out"):
        ood.RMD().fit(features, known)
    with pytest.warns(qualm.QualmWarning, match="they only weigh the layers"):
        weighed = ood.Mahalanobis(combine="logistic").fit([first, features], known)
    assert weighed.spec_["combine"] == "logistic"


def test_bad_input_is_named(made):
    features, labels, logits, w, _ = made
    bad = features.copy()
    bad[7, 2] = np.nan
    one = labels.copy()
    one[3] = 9
    for call, error, said in [
        (lambda: ood.KNN(features), TypeError, "encoder is a ndarray"),
        (lambda: ood.ViM(w=w), TypeError, "w and b together"),
        (lambda: ood.KNN().fit(bad), ValueError, "row 8, column 'features\\[2\\]'"),
        (lambda: ood.KNN().fit(features[None]), ValueError, "shape \\(1, 240, 6\\)"),
        (lambda: ood.RMD().fit(features), ValueError, "'rmds' needs labels"),
        (lambda: ood.ViM().fit(features), ValueError, "'vim' needs logits"),
        (lambda: ood.RMD().fit(features, one), ValueError, "class 9: 1 row is too few"),
        (lambda: ood.RMD().fit(features, labels[:-1]), ValueError, "labels: 239 rows"),
        (lambda: ood.RMD().fit(features, labels + 0.5), ValueError, "no whole numbers"),
        (lambda: ood.ViM().fit(np.tanh(features), logits=logits), ValueError, "last layer"),
        (lambda: ood.KNN(k=0).fit(features), ValueError, "n_neighbors = 0"),
        (lambda: ood.KNN(fpr=2).fit(features), ValueError, "fpr is 2"),
        (lambda: ood.DUM(bags_size=3).fit(features), TypeError, "bags_size"),
    ]:
        with pytest.raises(error, match=said):
            call()
    with pytest.raises(qualm.NotFittedError):
        ood.KNN().decision_function(features)
    fitted = ood.KNN(k=10).fit(features)
    with pytest.raises(ValueError, match="got 4 columns, expected 6"):
        fitted.decision_function(features[:, :4])


def test_the_command_line_reads_the_same_file(made, tmp_path, command_line):
    features, labels, logits, _, _ = made
    np.savez(tmp_path / "train.npz", features=features, logits=logits, label=labels)
    model = tmp_path / "m.qualm"
    fit = ["ood", "fit", tmp_path / "train.npz", "--detector", "rmds", "-o", model, "--quiet"]
    subprocess.run([command_line, *fit], check=True, capture_output=True)
    here = ood.RMD().fit(features, labels)
    scores = ood.load(model).decision_function(features)
    assert np.array_equal(scores, here.decision_scores_)


def test_vectors_come_in_any_column(made):
    features, labels, _logits, _, _ = made
    expected = ood.KNN(k=10).fit(features, labels).decision_function(features)
    pandas = pytest.importorskip("pandas")
    pyarrow = pytest.importorskip("pyarrow")
    rows = list(features)
    for given in (rows, pandas.Series(rows), pandas.DataFrame(features), pyarrow.array(rows)):
        found = ood.KNN(k=10).fit(given, labels.tolist()).decision_function(given)
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="row 2: found 5 values, expected a row of 6"):
        ood.KNN(k=10).fit([rows[0], rows[1][:5]], [0, 1])
    with pytest.raises(TypeError, match=r"as in numpy.load\('features.npy'\)"):
        ood.KNN(k=10).fit("features.npy", labels)


def test_tensors_of_types_that_numpy_lacks():
    torch = pytest.importorskip("torch")
    features = torch.randn(60, 4, dtype=torch.bfloat16, requires_grad=True)
    detector = ood.KNN(k=5).fit(features, torch.arange(60) % 3)
    scores = detector.predict_features(features)
    expected = detector.decision_function(features.detach().float().numpy())
    np.testing.assert_array_equal(scores.numpy(), expected)
