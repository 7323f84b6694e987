"""Columns of vectors, tensors, and what holds no rows yet."""

import numpy as np
import pytest
import qualm
from qualm._input import rows as read

KNN = qualm.KNN


@pytest.fixture
def scores(rows):
    return KNN().fit(rows).decision_scores_


def series(rows):
    pandas, polars, pyarrow = map(pytest.importorskip, ("pandas", "polars", "pyarrow"))
    flat = pyarrow.array(rows.ravel())
    fixed = pyarrow.FixedSizeListArray.from_arrays(flat, 5)
    yield pandas.Series(list(rows))
    yield pandas.Series(rows.tolist(), index=range(7, 207))
    yield pandas.Series(rows.tolist(), dtype=pandas.ArrowDtype(pyarrow.list_(pyarrow.float32())))
    yield polars.Series(rows)
    yield polars.Series(rows.tolist())
    yield fixed
    yield pyarrow.array(rows.tolist(), type=pyarrow.list_(pyarrow.float32()))
    yield pyarrow.chunked_array([fixed[:50], fixed[50:]])


def test_a_column_of_vectors_is_rows(rows, scores):
    of_array = KNN().fit(rows)
    expected = of_array.decision_function(rows)
    for vectors in series(rows):
        detector = KNN().fit(vectors)
        assert np.array_equal(detector.decision_scores_, scores), type(vectors)
        # It has no name to ask for later.
        assert detector._model.features.columns == []
        assert np.array_equal(of_array.decision_function(vectors), expected)


def test_its_name_is_that_of_the_column(rows):
    polars = pytest.importorskip("polars")
    pandas = pytest.importorskip("pandas")
    for made in (polars.Series("text", rows), pandas.Series(list(rows), name="text")):
        detector = KNN().fit(made)
        assert detector._model.features.columns == ["text"]
        assert detector.predict(made.to_frame())[0] == 1


def test_a_column_of_numbers_is_no_table(rows):
    pandas, polars, pyarrow = map(pytest.importorskip, ("pandas", "polars", "pyarrow"))
    column = rows[:, 0]
    for made in (pandas.Series(column), polars.Series("a", column), pyarrow.array(column)):
        with pytest.raises(ValueError, match="Expected a 2D array .* one value a row"):
            KNN().fit(made)
    with pytest.raises(ValueError, match="Expected a 2D array"):
        KNN().fit(pandas.Series([], dtype=object))


def test_what_computes_late_is_told_how(rows):
    polars = pytest.importorskip("polars")
    lazy = polars.DataFrame(rows, schema=list("abcde")).lazy()
    with pytest.raises(TypeError, match=r"a polars LazyFrame holds no rows yet: .*\.collect\(\)"):
        KNN().fit(lazy)


def test_dask_frames_are_told_how(rows):
    frames = pytest.importorskip("dask.dataframe")
    pandas = pytest.importorskip("pandas")
    lazy = frames.from_pandas(pandas.DataFrame(rows, columns=list("abcde")), npartitions=2)
    with pytest.raises(TypeError, match=r"a dask DataFrame holds no rows yet: .*\.compute\(\)"):
        KNN().fit(lazy)


def test_tensors(rows, scores):
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(rows)
    assert read(tensor).address == rows.ctypes.data
    assert np.array_equal(KNN().fit(tensor.clone().requires_grad_()).decision_scores_, scores)
    half = tensor.to(torch.bfloat16)
    expected = KNN().fit(half.float().numpy()).decision_scores_
    assert np.array_equal(KNN().fit(half).decision_scores_, expected)
    with pytest.raises(TypeError, match=r"a tensor on meta cannot be read: .*\.cpu\(\)"):
        KNN().fit(tensor.to("meta"))
    with pytest.raises(TypeError, match=r"a tensor sparse cannot be read: .*\.to_dense\(\)"):
        KNN().fit(tensor.to_sparse())


def test_frames_and_arrays_are_not_mixed_in_silence(rows):
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    frame = pandas.DataFrame(rows, columns=list("abcde"))
    of_frame, of_array = KNN().fit(frame), KNN().fit(rows)
    expected = of_frame.decision_function(frame)
    with pytest.warns(
        qualm.QualmWarning, match="X does not have valid feature names, but KNN was"
    ):
        assert np.array_equal(of_frame.decision_function(rows), expected)
    for named in (frame, polars.from_pandas(frame)):
        with pytest.warns(
            qualm.QualmWarning, match="X has feature names, but KNN was fitted with"
        ):
            assert np.array_equal(of_array.decision_function(named), expected)
    # A column of vectors is one, whatever its name.
    vectors = polars.DataFrame({"v": rows})
    assert np.array_equal(of_array.decision_function(vectors), expected)
    assert np.array_equal(KNN().fit(vectors).decision_function(rows), expected)


def test_names_of_several_types_are_refused(rows):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows, columns=["a", "b", 2, "d", "e"])
    with pytest.raises(TypeError, match="of several types, here 2 among texts"):
        KNN().fit(frame)


def test_columns_of_nulls_are_no_features(rows):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(rows, schema=list("abcde")).with_columns(none=polars.lit(None))
    with pytest.warns(qualm.QualmWarning, match="1 of 6 columns not used: 'none'"):
        assert KNN().fit(frame).n_features_in_ == 5


def test_dates_and_durations_in_frames_are_left_out(rows):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows, columns=list("abcde"))
    days = np.arange(200)
    frame["when"] = days.astype("M8[s]")
    frame["took"] = days.astype("m8[s]")
    frame.loc[3, "when"] = pandas.NaT
    with pytest.warns(
        qualm.QualmWarning, match=r"not used: 'when' \(date and time.*'took' \(duration"
    ):
        assert KNN().fit(frame).n_features_in_ == 5
    frame["odd"] = rows[:, 0] * 1j
    with pytest.raises(ValueError, match="column 'odd': Complex data not supported"):
        KNN().fit(frame)
