"""Everything that NumPy or Arrow can view, and what is said of values that cannot be scored."""

import decimal
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import qualm
from qualm import _core
from qualm._input import rows as read

KNN = qualm.KNN


@pytest.fixture
def scores(rows):
    return KNN().fit(rows).decision_scores_


def test_contiguous_float32_is_not_copied(rows):
    assert read(rows).address == rows.ctypes.data
    assert read(rows[10:]).address == rows[10:].ctypes.data
    read_only = rows.copy()
    read_only.flags.writeable = False
    assert read(read_only).address == read_only.ctypes.data
    for copied in (rows[:, :3], rows[::2], np.asfortranarray(rows), rows.astype(">f4")):
        assert read(copied).address != copied.ctypes.data


def test_scoring_takes_no_second_copy_of_the_rows():
    # In a process of its own, whose peak is that of this one array.
    program = """
import resource, numpy as np, qualm
rows = np.random.default_rng(0).random((1_000_000, 32), dtype=np.float32)
model = qualm.SP(n_jobs=1).fit(rows[:1000])
model.decision_function(rows[:1000])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model.decision_function(rows)
grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
assert grown < rows.nbytes // 4, grown
"""
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    "convert",
    [
        lambda rows: rows.astype(np.float64),
        lambda rows: np.asfortranarray(rows),
        lambda rows: np.repeat(rows, 2, axis=0)[::2],
        lambda rows: rows.astype(">f4"),
        lambda rows: rows.astype(np.longdouble),
        lambda rows: rows.astype(object),
        lambda rows: rows.tolist(),
        lambda rows: np.ma.array(rows),
        lambda rows: memoryview(rows),
    ],
)
def test_other_arrays_convert(convert, rows, scores):
    assert np.array_equal(KNN().fit(convert(rows)).decision_scores_, scores)


@pytest.mark.filterwarnings("ignore::qualm.QualmWarning")
@pytest.mark.parametrize("kind", ["int8", "uint8", "int64", "uint64", "bool", "float16"])
def test_other_numbers_convert(kind, rows):
    converted = (rows > 0.5 if kind == "bool" else np.abs(rows * 40)).astype(kind)
    expected = KNN().fit(converted.astype(np.float32)).decision_scores_
    assert np.array_equal(KNN().fit(converted).decision_scores_, expected)


def test_pandas_frames_keep_their_names(rows, scores):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows, columns=list("abcde"))
    detector = KNN().fit(frame)
    assert np.array_equal(detector.decision_scores_, scores)
    assert detector.feature_names_in_.tolist() == list("abcde")
    expected = detector.decision_function(frame)
    mixed = frame[list("ecdab")].assign(more="text")
    assert np.array_equal(detector.decision_function(mixed), expected)
    with pytest.warns(qualm.QualmWarning, match="X does not have valid feature names"):
        assert np.array_equal(detector.decision_function(rows), expected)
    with pytest.raises(ValueError, match="missing: 'b', 'd'; the input has 'a', 'c', 'e'"):
        detector.predict(frame[["a", "c", "e"]])
    numbered = KNN().fit(pandas.DataFrame(rows))
    assert not hasattr(numbered, "feature_names_in_")
    twice = frame.rename(columns={"a": "b"})
    with pytest.raises(ValueError, match="column 'b': the name stands more than once"):
        KNN().fit(twice)


def test_pandas_types_convert_or_are_named(rows):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "whole": np.arange(60) % 31,
            "half": rows[:60, 0] / 2,
            "truth": np.arange(60) % 2 == 0,
        }
    ).astype({"whole": "Int32", "half": "Float64", "truth": "boolean"})
    expected = KNN().fit(frame.astype(np.float32).to_numpy()).decision_scores_
    assert np.array_equal(KNN().fit(frame).decision_scores_, expected)
    frame.loc[4, "whole"] = pandas.NA
    with pytest.raises(ValueError, match="input, row 5, column 'whole': found NaN"):
        KNN().fit(frame)


def test_pandas_objects_are_numbers_where_all_of_them_are(rows):
    pandas = pytest.importorskip("pandas")
    mixed = [decimal.Decimal("0.5"), 2, True, np.float32(1.5)] * 15
    frame = pandas.DataFrame({"x": rows[:60, 0], "mixed": pandas.Series(mixed, dtype=object)})
    detector = KNN().fit(frame)
    as_numbers = frame.assign(mixed=[float(value) for value in mixed])
    assert np.array_equal(detector.decision_scores_, KNN().fit(as_numbers).decision_scores_)
    with pytest.raises(ValueError, match="input, row 3, column 'mixed': found NaN"):
        KNN().fit(frame.assign(mixed=pandas.Series([1, 2, None] * 20, dtype=object)))
    # One that is no number makes them text, which a model of numbers refuses by row and value.
    text = frame.assign(mixed=pandas.Series([*mixed[:59], "1.5"], dtype=object))
    with pytest.warns(qualm.QualmWarning, match=r"1 of 2 columns not used: 'mixed' \(text\)"):
        KNN().fit(text)
    with pytest.raises(ValueError, match="input, row 60, column 'mixed': found '1.5', expected"):
        detector.predict(text)
    dates = frame.assign(mixed=pandas.Timestamp("2024-01-31"))
    with pytest.raises(ValueError, match=r"row 1, column 'mixed': found Timestamp\('2024-01-31"):
        detector.predict(dates)


def test_numbered_pandas_columns_are_those_of_an_array(rows):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({0: rows[:, 0].astype(np.float64), 1: "text", 2: rows[:, 2]})
    with pytest.warns(qualm.QualmWarning, match=r"1 of 3 columns not used: '2' \(text such"):
        detector = KNN().fit(frame)
    assert not hasattr(detector, "feature_names_in_")
    assert np.array_equal(
        detector.decision_function(rows[:, [0, 2]]), detector.decision_function(frame)
    )


def test_polars_frames_keep_their_names(rows, scores):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({name: rows[:, i] for i, name in enumerate("abcde")})
    detector = KNN().fit(frame)
    assert np.array_equal(detector.decision_scores_, scores)
    assert detector.feature_names_in_.tolist() == list("abcde")
    expected = detector.decision_function(frame)
    mixed = frame.select(list("ecdab")).with_columns(more=polars.lit("text"))
    assert np.array_equal(detector.decision_function(mixed), expected)
    with pytest.raises(ValueError, match="'b'"):
        detector.predict(frame.drop("b"))
    with pytest.raises(ValueError, match="row 3, column 'c': missing value"):
        detector.predict(frame.with_columns(c=polars.Series([0.0, 1.0, None] + [2.0] * 197)))


def test_arrow_tables_and_their_vectors(rows, scores):
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({name: rows[:, i] for i, name in enumerate("abcde")})
    batch = table.to_batches()[0]
    stream = pyarrow.RecordBatchReader.from_batches(table.schema, table.to_batches(50))
    for same in (table, batch, stream):
        assert np.array_equal(KNN().fit(same).decision_scores_, scores)
    flat = pyarrow.array(rows.ravel())
    vectors = pyarrow.table(
        {
            "id": pyarrow.array(range(200)),
            "embedding": pyarrow.FixedSizeListArray.from_arrays(flat, 5),
        }
    )
    with pytest.warns(qualm.QualmWarning, match="not used: 'id' "):
        detector = KNN().fit(vectors)
    assert np.array_equal(detector.decision_scores_, scores)
    # A model of an array takes the only vectors there are; one of vectors takes arrays.
    assert np.array_equal(
        KNN().fit(rows).decision_function(vectors), detector.decision_function(rows)
    )


def test_an_array_with_arrows_protocol_is_an_array(rows, scores):
    pyarrow = pytest.importorskip("pyarrow")

    class Labelled:
        """What xarray's arrays look like, which Arrow sees as one long column."""

        dtype = rows.dtype

        def __array__(self, dtype=None, copy=None):
            return rows

        def __arrow_c_stream__(self, requested_schema=None):
            return pyarrow.table({"values": rows.ravel()}).__arrow_c_stream__()

    assert np.array_equal(KNN().fit(Labelled()).decision_scores_, scores)


def test_large_integers_are_rounded_as_in_a_file(rows, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    whole = (rows * 40).astype(np.int64)
    # A little more than the middle of two float32; as a float64, which a file's reader makes of
    # it first, the middle.
    whole[0] = 2**54 + 2**30 + 1
    models = [KNN().fit(same)._model.to_bytes() for same in (whole, whole.astype(np.float64))]
    assert models[0] == models[1]


def test_tensors_come_through_dlpack(rows, scores):
    class Tensor:
        """What an array library without NumPy's own protocol looks like."""

        def __init__(self, array):
            self._array = array

        def __dlpack__(self, **keywords):
            return self._array.__dlpack__(**keywords)

        def __dlpack_device__(self):
            return self._array.__dlpack_device__()

    assert read(Tensor(rows)).address == rows.ctypes.data
    assert np.array_equal(KNN().fit(Tensor(rows)).decision_scores_, scores)
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(rows)
    assert read(tensor).address == rows.ctypes.data
    assert np.array_equal(KNN().fit(tensor).decision_scores_, scores)


def test_bad_values_are_named_by_row_and_column(rows):
    detector = KNN().fit(rows)
    for bad, found in ((np.nan, "NaN"), (np.inf, "inf"), (-np.inf, "-inf")):
        broken = rows.copy()
        broken[6, 2] = bad
        for wrong in (broken, broken.astype(np.float64)):
            with pytest.raises(ValueError, match=f"input, row 7, column '3': found {found}"):
                detector.predict(wrong)
    large = rows.astype(np.float64)
    large[6, 2] = 1e300
    with pytest.raises(ValueError, match="row 7, column '3': found 1e300, too large for float32"):
        KNN().fit(large)
    words = rows.astype(object)
    words[6, 2] = "three"
    with pytest.raises(ValueError, match="row 7, column '3': found 'three', expected a number"):
        KNN().fit(words)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda rows: rows[0], ValueError, "Expected a 2D array"),
        (lambda rows: rows[None], ValueError, "Expected a 2D array"),
        (lambda rows: 3.0, ValueError, "Expected a 2D array .* a scalar"),
        (lambda rows: rows[:0], ValueError, "0 sample"),
        (lambda rows: rows[:, :0], ValueError, "0 feature"),
        (lambda rows: rows * 1j, ValueError, "Complex data not supported"),
        (lambda rows: rows.astype("M8[s]"), ValueError, "type datetime64.s., expected numbers"),
        (
            lambda rows: np.ma.array(rows, mask=np.arange(1000).reshape(200, 5) == 32),
            ValueError,
            "input, row 7, column '3': found a masked value, expected a number",
        ),
        (lambda rows: [[1, 2], [3]], ValueError, "inhomogeneous"),
        (lambda rows: None, TypeError, "Expected a 2D array .* found None"),
        (lambda rows: {"a": [1, 2]}, TypeError, "found a dict: make a frame .*DataFrame"),
        (lambda rows: "rows.parquet", TypeError, "found 'rows.parquet': read the file first"),
        (lambda rows: pathlib.Path("rows.csv"), TypeError, "'rows.csv': read the file first"),
        (lambda rows: rows[:1], ValueError, "1 sample"),
        (lambda rows: np.ones((50, 3)), ValueError, "const|equal"),
    ],
)
def test_what_is_no_table_is_refused(wrong, error, message, rows):
    with pytest.raises(error, match=message):
        KNN().fit(wrong(rows))


def test_the_native_half_refuses_what_it_was_not_promised(rows):
    with pytest.raises(ValueError, match="C-contiguous"):
        _core.Rows.from_float32(rows[:, :2])
    with pytest.raises(TypeError):
        _core.Rows.from_float32(rows.astype(np.float64))
