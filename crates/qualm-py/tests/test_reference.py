"""What is said about the fitted rows: whether they may hold outliers, and how they are scaled."""

import numpy as np
import pytest
import qualm
from conftest import CLASSES, TRAINED, quick

every = pytest.mark.parametrize("cls", CLASSES)


@every
def test_the_model_says_whether_the_rows_may_hold_outliers(cls, rows, tmp_path):
    for asked, used in (({}, "mixed"), ({"reference": "clean"}, "clean")):
        detector = quick(cls, **asked).fit(rows)
        assert detector.spec_["reference"] == used
        detector.save(tmp_path / "model.qualm")
        loaded = qualm.load(tmp_path / "model.qualm")
        assert loaded.spec_["reference"] == used
        assert np.array_equal(loaded.decision_function(rows), detector.decision_function(rows))
    with pytest.raises(ValueError, match="reference = .*dirty"):
        quick(cls, reference="dirty").fit(rows)


@every
def test_whitened_rows_of_any_unit_have_the_same_scores(cls, rows):
    units = np.float32([0.25, 1024, 1, 2, 2.0**-16])
    scores = []
    more = TRAINED if cls is qualm.DUM else {}
    for reference in ("mixed", "clean"):
        robust = {"space": "robust", "reference": reference, **more}
        detector = quick(cls, **robust).fit(rows)
        again = quick(cls, **robust).fit(rows * units)
        assert np.array_equal(detector.decision_scores_, again.decision_scores_)
        assert np.isfinite(detector.decision_function(np.full((2, 5), 1e30))).all()
        scores.append(detector.decision_scores_)
    assert not np.array_equal(*scores)


def test_clean_rows_have_the_covariance_of_all(rows):
    """By NumPy."""
    centred = rows - rows.mean(axis=0, dtype=np.float64)
    inverse = np.linalg.inv(centred.T @ centred / len(rows))
    expected = np.einsum("ij,jk,ik->i", centred, inverse, centred)
    clean = qualm.EllipticEnvelope(reference="clean").fit(rows)
    assert np.allclose(clean.decision_scores_, expected, rtol=1e-9)
    mixed = qualm.EllipticEnvelope().fit(rows)
    assert mixed.decision_scores_[0] > clean.decision_scores_[0]


@every
def test_columns_of_unlike_scale_are_named(cls, rows):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(rows * np.float32([1, 1, 1e6, 1, 1]), schema=list("abcde"))
    scaled = (qualm.DUM, qualm.IForest, qualm.EllipticEnvelope, qualm.AutoEncoder, qualm.ECOD)
    if cls in scaled:
        assert not [said for said in quick(cls).fit(frame).warnings_ if "scale" in said]
        return
    with pytest.warns(qualm.QualmWarning, match="column 'c' varies .* times as much as column"):
        detector = quick(cls).fit(frame)
    assert "space = standardise or space = robust" in detector.warnings_[0]
