"""Columns of vectors, tensors, and what holds no rows yet."""

import numpy as np
import pytest
import qualm
from qualm._input import rows as read

KNN = qualm.KNN


def fitted_scores(X):
    return KNN().fit(X).decision_scores_


@pytest.fixture
def scores(rows):
    return fitted_scores(rows)


def series(rows):
    pandas, polars, pyarrow = map(pytest.importorskip, ("pandas", "polars", "pyarrow"))
    flat = pyarrow.array(rows.ravel())
    fixed = pyarrow.FixedSizeListArray.from_arrays(flat, 5)
    yield pandas.Series(list(rows))
    yield pandas.Series(rows.tolist(), index=range(7, 207))
    for held in (pyarrow.list_(pyarrow.float32()), pyarrow.list_(pyarrow.float64(), 5)):
        yield pandas.Series(rows.tolist(), dtype=pandas.ArrowDtype(held))
    # As pandas reads a CSV file of them.
    yield pandas.Series([str(row) for row in rows.tolist()])
    # What `frame["embedding"].to_numpy()` gives.
    yield pandas.Series(list(rows)).to_numpy()
    yield list(rows)
    yield polars.Series(rows)
    yield polars.Series(rows.tolist())
    yield polars.Series(list(rows), dtype=polars.Object)
    yield fixed
    yield pyarrow.FixedShapeTensorArray.from_numpy_ndarray(rows)
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


@pytest.mark.parametrize(
    ("bad", "found"),
    [
        ([1.0], "found (a vector of )?1 value, expected (5|a row of 5)"),
        (None, "missing value, expected"),
    ],
)
def test_vectors_that_differ_are_named_by_row(bad, found, rows):
    pandas, polars, pyarrow = map(pytest.importorskip, ("pandas", "polars", "pyarrow"))
    lists = [*rows.tolist()[:6], bad, *rows.tolist()[7:]]
    arrow = pandas.ArrowDtype(pyarrow.list_(pyarrow.float64()))
    vectors = pandas.Series(lists)
    for made in (
        lists,
        vectors,
        vectors.to_numpy(),
        vectors.rename("v").to_frame(),
        pandas.Series(lists, dtype=arrow),
        polars.Series(lists),
        pyarrow.array(lists),
    ):
        with pytest.raises(ValueError, match=f"input, row 7(, column 'v.*')?: .*{found}"):
            KNN().fit(made)


def test_what_is_no_vector_among_vectors_is_named_by_row(rows):
    pandas = pytest.importorskip("pandas")
    lists = [*rows.tolist()[:6], "none", *rows.tolist()[7:]]
    with pytest.raises(ValueError, match="input, row 7: found 'none', expected a row of 5"):
        KNN().fit(lists)
    frame = pandas.DataFrame({"v": lists, "x": rows[:, 0]})
    with pytest.raises(ValueError, match=r"'v' \(lists, but text in row 7\)"):
        KNN().fit(frame["v"])
    with pytest.warns(qualm.QualmWarning, match=r"not used: 'v' \(lists, but text in row 7\)"):
        KNN().fit(frame)


def test_a_column_of_numbers_is_no_table(rows):
    pandas, polars, pyarrow = map(pytest.importorskip, ("pandas", "polars", "pyarrow"))
    column = rows[:, 0]
    text = column.astype(str)
    for made in (
        *(pandas.Series(column), polars.Series("a", column), pyarrow.array(column)),
        *(pandas.Series(text), polars.Series("a", text)),
    ):
        with pytest.raises(ValueError, match="Expected a 2D array .* one value a row"):
            KNN().fit(made)
    for empty in (pandas.Series([], dtype=object), np.array([], dtype=object)):
        with pytest.raises(ValueError, match="Expected a 2D array"):
            KNN().fit(empty)


def test_lazy_frames_are_collected(rows, scores):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(rows, schema=list("abcde"))
    detector = KNN().fit(frame.lazy())
    assert np.array_equal(detector.decision_scores_, scores)
    assert detector.feature_names_in_.tolist() == list("abcde")
    expected = detector.decision_function(frame)
    assert np.array_equal(detector.decision_function(frame.lazy()), expected)


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_frames_that_are_too_old_are_refused(library, rows):
    class Frame:
        """One that only NumPy can read, and without names."""

        schema = {"a": "float"}  # noqa: RUF012

        def __array__(self, dtype=None, copy=None):
            return rows

    Frame.__module__ = f"{library}.frame"
    with pytest.raises(TypeError, match=rf"update {library} .* X\.to_pandas\(\)"):
        KNN().fit(Frame())


def test_dask_frames_are_told_how(rows, scores):
    frames = pytest.importorskip("dask.dataframe")
    arrays = pytest.importorskip("dask.array")
    pandas = pytest.importorskip("pandas")
    lazy = frames.from_pandas(pandas.DataFrame(rows, columns=list("abcde")), npartitions=2)
    for late, kind in ((lazy, "DataFrame"), (lazy["a"], "Series")):
        with pytest.raises(
            TypeError, match=rf"a dask {kind} holds no rows yet: give X\.compute\(\)"
        ):
            KNN().fit(late)
    # NumPy computes these.
    assert np.array_equal(KNN().fit(arrays.from_array(rows, chunks=50)).decision_scores_, scores)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda rows: (row for row in rows), r"a generator, .* numpy.stack\(list\(X\)\)"),
        (lambda rows: map(list, rows), r"a map, .* numpy.concatenate\(list\(X\)\)"),
        (
            lambda rows: {"a": rows[:, 0]}.values(),
            r"a dict_values, .* numpy.column_stack\(list\(X\)\)",
        ),
        (
            lambda rows: {"a": rows[:, 0]},
            r"a dict: .* pandas.DataFrame\(X\) .* numpy.column_stack\(list\(X.values\(\)\)\)",
        ),
        (lambda rows: [{"a": 1.0}] * 9, r"a list of dict: .* pandas.DataFrame\(X\)"),
        (lambda rows: "a/b.npy", r"read the file first, as in numpy.load\('a/b.npy'\)"),
        (lambda rows: "b.CSV", r"as in pandas.read_csv\('b.CSV'\)"),
        (lambda rows: "rows", "as in numpy.load, pandas.read_csv or polars.read_parquet"),
        (lambda rows: b"\0" * 64, r"found bytes: .* numpy.frombuffer\(X\)"),
    ],
)
def test_what_is_no_table_is_told_how_to_become_one(make, message, rows):
    for ask in (KNN().fit, KNN().fit(rows).predict):
        with pytest.raises(TypeError, match=f"Expected a 2D array .* found {message}|{message}"):
            ask(make(rows))


def test_a_reader_of_batches_is_an_iterator_and_a_table(rows, scores):
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table(dict(zip("abcde", rows.T)))
    reader = pyarrow.RecordBatchReader.from_batches(table.schema, table.to_batches(50))
    assert np.array_equal(KNN().fit(reader).decision_scores_, scores)


class Tensor:
    """What torch's tensors look like to those who read them."""

    layout = "torch.strided"

    def __init__(self, values, dtype="torch.float32", requires_grad=False, device="cpu"):
        self._values = values
        self.dtype = dtype
        self.requires_grad = requires_grad
        self.device = type("device", (), {"type": device, "__str__": lambda d: f"{device}:0"})()

    def detach(self):
        return Tensor(self._values, self.dtype)

    def float(self):
        return Tensor(self._values)

    def numpy(self):
        if self.requires_grad:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        if self.dtype != "torch.float32":
            raise TypeError("Got unsupported ScalarType")
        return self._values


def stand_in(rows, kind="float32", grad=False):
    return Tensor(rows, f"torch.{kind}", grad)


def of_torch(rows, kind="float32", grad=False):
    torch = pytest.importorskip("torch")
    return torch.from_numpy(rows).to(getattr(torch, kind)).requires_grad_(grad)


@pytest.mark.parametrize("make", [stand_in, of_torch])
def test_tensors(make, rows):
    # So few binary digits that bfloat16 has them, too.
    rows = (np.round(rows * 8) / 8).astype(np.float32)
    expected = KNN().fit(rows).decision_scores_
    assert read(make(rows)).address == rows.ctypes.data
    for kind in ("float32", "bfloat16"):
        assert np.array_equal(KNN().fit(make(rows, kind)).decision_scores_, expected)
    listed = [make(row, "bfloat16") for row in rows]
    assert np.array_equal(KNN().fit(listed).decision_scores_, expected)
    for kind in ("float32", "bfloat16"):
        with pytest.warns(qualm.QualmWarning, match=r"requires a gradient and is detached") as w:
            detector = KNN().fit(make(rows, kind, grad=True))
        assert [said.filename for said in w] == [__file__]
        assert np.array_equal(detector.decision_scores_, expected)
    with pytest.warns(qualm.QualmWarning, match=r"X\.detach\(\)") as w:
        detector.predict(make(rows, grad=True))
    assert [said.filename for said in w] == [__file__]


def test_tensors_elsewhere_are_told_how_to_come(rows):
    with pytest.raises(TypeError, match=r"a tensor on cuda:0 cannot be read: give X\.cpu\(\)"):
        KNN().fit(Tensor(rows, device="cuda"))

    class OnGPU:
        """What CuPy's arrays look like."""

        dtype = rows.dtype
        __cuda_array_interface__ = {"version": 3}  # noqa: RUF012

        def __array__(self, dtype=None, copy=None):
            raise TypeError("Implicit conversion to a NumPy array is not allowed.")

        def get(self):
            return rows

    with pytest.raises(TypeError, match=r"OnGPU on a GPU cannot be read: give X\.get\(\)"):
        KNN().fit(OnGPU())

    class Elsewhere:
        def __dlpack__(self, **keywords):
            raise BufferError

        def __dlpack_device__(self):
            return 2, 0

    with pytest.raises(TypeError, match="Elsewhere is not in the memory of the CPU"):
        KNN().fit(Elsewhere())


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta:UserWarning")
def test_tensors_of_torch_that_have_no_rows(rows):
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(rows)
    with pytest.raises(TypeError, match=r"a tensor on meta cannot be read: .*\.cpu\(\)"):
        KNN().fit(tensor.to("meta"))
    for sparse in (tensor.to_sparse(), tensor.to_sparse_csr()):
        with pytest.raises(TypeError, match=r"a sparse tensor cannot be read: .*\.to_dense\(\)"):
            KNN().fit(sparse)
    half = tensor.to(torch.float16)
    expected = KNN().fit(half.float().numpy()).decision_scores_
    assert np.array_equal(KNN().fit(half).decision_scores_, expected)
    parameter = torch.nn.Parameter(tensor, requires_grad=False)
    assert np.array_equal(fitted_scores(parameter), fitted_scores(rows))


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float8_e4m3fn", "float8_e5m2"])
def test_short_floats_are_exact(kind, rows):
    dtype = np.float16 if kind == "float16" else getattr(pytest.importorskip("ml_dtypes"), kind)
    short = rows.astype(dtype)
    expected = KNN().fit(short.astype(np.float32)).decision_scores_
    assert np.array_equal(KNN().fit(short).decision_scores_, expected)
    assert np.array_equal(KNN(missing="median").fit(short).decision_scores_, expected)
    assert np.array_equal(KNN().fit(list(short)).decision_scores_, expected)
    pandas = pytest.importorskip("pandas")
    for made in (pandas.Series(list(short)), pandas.DataFrame({"v": list(short)})):
        assert np.array_equal(KNN().fit(made).decision_scores_, expected)


def test_short_floats_of_polars_and_arrow(rows):
    polars, pyarrow = map(pytest.importorskip, ("polars", "pyarrow"))
    short = rows.astype(np.float16)
    expected = fitted_scores(short.astype(np.float32))
    vectors = pyarrow.array(map(list, short), pyarrow.list_(pyarrow.float16()))
    assert np.array_equal(fitted_scores(vectors), expected)
    table = pyarrow.table(dict(zip("abcde", short.T)))
    assert table.schema.types == [pyarrow.float16()] * 5
    assert np.array_equal(fitted_scores(table), expected)
    if hasattr(polars, "Float16"):
        made = polars.Series(short.astype(float), dtype=polars.Array(polars.Float16, 5))
        assert np.array_equal(fitted_scores(made), expected)


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
