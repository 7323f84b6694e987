"""Sparse matrices are made dense: whole to fit to, in blocks to score."""

import numpy as np
import pytest
import qualm
from conftest import CLASSES, quick

sparse = pytest.importorskip("scipy.sparse")

every = pytest.mark.parametrize("cls", CLASSES)


@every
def test_the_same_scores_as_dense(cls, rows, monkeypatch):
    rows[rows < 0] = 0
    rows[0] = 6
    detector = quick(cls).fit(rows)
    expected = detector.decision_function(rows)
    with pytest.warns(qualm.QualmWarning, match="a sparse matrix of 200 x 5 is made dense"):
        same = quick(cls).fit(sparse.csr_matrix(rows))
    assert np.array_equal(same.decision_scores_, detector.decision_scores_)
    # Blocks of 7 rows, and no warning.
    monkeypatch.setattr(qualm._sparse, "_BLOCK", 7 * rows[0].nbytes)
    for form in (sparse.csr_array, sparse.csc_matrix, sparse.coo_array, sparse.lil_matrix):
        assert np.array_equal(same.decision_function(form(rows)), expected)
    assert np.array_equal(same.predict(sparse.csr_array(rows)), detector.predict(rows))


def test_bad_values_are_named_by_row_and_column(rows):
    detector = qualm.KNN().fit(rows)
    rows[6, 2] = np.nan
    rows[9, 0] = np.inf
    for form in (sparse.csr_matrix, sparse.csc_array):
        for use in (detector.predict, detector.fit):
            with pytest.raises(ValueError, match="input, row 7, column '3': found NaN, expected"):
                use(form(rows))


def test_width_and_shape_are_checked(rows):
    detector = qualm.KNN().fit(rows)
    with pytest.raises(ValueError, match="X has 4 features"):
        detector.predict(sparse.csr_matrix(rows[:, :4]))
    with pytest.raises(ValueError, match="0 sample"):
        detector.predict(sparse.csr_matrix((0, 5), dtype=np.float32))
    with pytest.raises(ValueError, match="Expected a 2D array"):
        detector.predict(sparse.coo_array(rows[0]))


def test_what_has_no_room_dense_says_so(rows):
    huge = sparse.csr_array((10**9, 10**9), dtype=np.float64)
    with (
        pytest.warns(qualm.QualmWarning, match="is made dense"),
        pytest.raises(MemoryError, match="TruncatedSVD"),
    ):
        qualm.KNN().fit(huge)
