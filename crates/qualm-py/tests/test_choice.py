"""Columns that a fit is asked to use: `vector`, `columns`, `exclude` and `id`."""

import subprocess

import numpy as np
import pytest
import qualm

pandas = pytest.importorskip("pandas")
polars = pytest.importorskip("polars")
pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

LETTERS = list("abcde")


class Stream:
    """An Arrow stream of somebody else."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


class Batch:
    """An Arrow batch of somebody else."""

    def __init__(self, table):
        (self._batch,) = table.to_batches()

    def __arrow_c_array__(self, requested_schema=None):
        return self._batch.__arrow_c_array__(requested_schema)


FORMS = {
    "pandas": lambda table: table.to_pandas(),
    "pandas of Arrow": lambda table: table.to_pandas(types_mapper=pandas.ArrowDtype),
    "polars": polars.from_arrow,
    "LazyFrame": lambda table: polars.from_arrow(table).lazy(),
    "table": lambda table: table,
    "batch": lambda table: table.to_batches()[0],
    "reader": lambda table: pyarrow.RecordBatchReader.from_batches(
        table.schema, table.to_batches(70)
    ),
    "stream": Stream,
    "array": Batch,
}
each_form = pytest.mark.parametrize("form", FORMS)

#: Keywords of fit, the options of the command line that say the same, the features.
CHOICES = {
    "vector": ({"vector": "emb"}, ["--vector", "emb"], ["emb"]),
    "vector and ids": (
        {"vector": "emb", "id": ["name", "num"], "exclude": "more"},
        ["--vector", "emb", "--id", "name,num", "--exclude", "more"],
        ["emb"],
    ),
    "columns": ({"columns": ["num", "c", "a"]}, ["--columns", "num,c,a"], ["num", "c", "a"]),
    "one column of vectors": ({"columns": "emb"}, ["--columns", "emb"], ["emb"]),
    "exclude": (
        {"exclude": ["emb", "more", "num"]},
        ["--exclude", "emb,more,num"],
        LETTERS,
    ),
    "id": (
        {"id": "num", "exclude": ["emb", "more"]},
        ["--id", "num", "--exclude", "emb,more"],
        LETTERS,
    ),
}
each_choice = pytest.mark.parametrize("chosen", CHOICES)


@pytest.fixture(autouse=True)
def no_time(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")


@pytest.fixture
def table(rows):
    """Names, numbers, five features, two columns of vectors, and text."""
    vectors = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows.ravel()), 5)
    return pyarrow.table(
        {
            "name": [f"row {i}" for i in range(200)],
            "num": np.arange(1000, 1200),
            **{letter: rows[:, i] for i, letter in enumerate(LETTERS)},
            "emb": vectors,
            "more": (rows * 2).tolist(),
            "city": ["Bern", "Oslo"] * 100,
        }
    )


@pytest.mark.filterwarnings("ignore::qualm.QualmWarning")
@each_choice
@each_form
def test_the_model_is_that_of_the_columns(form, chosen, table):
    keywords, _, features = CHOICES[chosen]
    make = FORMS[form]
    detector = qualm.KNN().fit(make(table), **keywords)
    assert detector._model.features.columns == features
    expected = qualm.KNN().fit(table.select(features))
    assert np.array_equal(detector.decision_scores_, expected.decision_scores_)
    # It finds them by name in what has the other columns too, or has not.
    scores = expected.decision_function(table.select(features))
    for scored in (table, table.select(["city", *reversed(features)])):
        assert np.array_equal(detector.decision_function(make(scored)), scores)


@pytest.mark.filterwarnings("ignore::qualm.QualmWarning")
@each_choice
def test_the_command_line_makes_the_same_model(chosen, table, tmp_path, command_line):
    keywords, options, _ = CHOICES[chosen]
    parquet.write_table(table, tmp_path / "t.parquet")
    fit = ["fit", "t.parquet", "-o", "m.qualm", "--detector", "knn", "--contamination", "0.1"]
    subprocess.run(
        [command_line, *fit, *options], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    theirs = (tmp_path / "m.qualm").read_bytes()
    for form in ("table", "pandas", "polars", "stream"):
        ours = qualm.KNN().fit(FORMS[form](table), **keywords)
        assert ours.to_bytes() == theirs, form


def test_nothing_is_said_of_columns_that_nobody_asked_for(table):
    # Warnings are errors here: not of an id, nor of text.
    assert qualm.KNN().fit(table, columns=["num", "a"]).warnings_ == []
    assert qualm.KNN().fit(table, vector="emb").warnings_ == []
    with pytest.warns(qualm.QualmWarning) as said:
        detector = qualm.KNN().fit(table, exclude=["emb", "more"], id="name")
    assert [str(warning.message) for warning in said] == detector.warnings_
    used, doubt = detector.warnings_
    assert used.startswith("1 of 7 columns not used: 'city' (text such as 'Bern' in row 1)")
    assert doubt.startswith("'num' looks like an id")


@pytest.mark.filterwarnings("ignore::qualm.QualmWarning")
def test_ids_are_carried_through(table):
    detector = qualm.KNN().fit(table, vector="emb", id=["name", "num"])
    for model in (detector, qualm.from_bytes(detector.to_bytes())):
        (scored,) = qualm.score_batches(model, table)
        assert scored.schema.names == ["name", "num", "score", "p_value", "outlier"]
        assert scored["num"].to_pylist() == table["num"].to_pylist()
        (scored,) = qualm.score_batches(model, table.drop_columns("num"))
        assert scored.schema.names == ["name", "score", "p_value", "outlier"]
    # Those of the fit before are gone.
    assert detector.fit(table, vector="emb")._model.ids == []


@pytest.mark.filterwarnings("ignore:1 of 6 columns not used:qualm.QualmWarning")
@each_form
def test_categories_of_chosen_columns(form, table):
    make = FORMS[form]
    detector = qualm.KNN(encode="onehot").fit(make(table), columns=["a", "city"])
    assert detector.feature_names_in_.tolist() == ["a", "city"]
    assert detector._model.features.names == ["a", "city=Bern", "city=Oslo"]
    others = qualm.KNN(encode="onehot").fit(
        make(table), exclude=["emb", "more"], id=["name", "num"]
    )
    assert others.feature_names_in_.tolist() == [*LETTERS, "city"]
    assert others.decision_function(make(table)).shape == (200,)


@pytest.mark.filterwarnings("ignore::qualm.QualmWarning")
def test_what_is_named_is_used_with_a_treatment(table, tmp_path, command_line):
    # Names and days: neither is a feature where nobody names it.
    days = pyarrow.array([f"2024-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(200)])
    table = table.append_column("day", days).append_column("at", days.cast(pyarrow.date32()))
    parquet.write_table(table, tmp_path / "t.parquet")
    for named, keywords, options in (
        (["a", "name"], {"encode": "frequency"}, ["--encode", "frequency"]),
        (["day", "a"], {"encode": "frequency"}, ["--encode", "frequency"]),
        (["at", "day", "num"], {"dates": True}, ["--dates"]),
        (["at", "city"], {"dates": True, "encode": "onehot"}, ["--dates", "--encode", "onehot"]),
    ):
        fit = ["fit", "t.parquet", "-o", "m.qualm", "--detector", "knn", "--contamination", "0.1"]
        fit += ["--columns", ",".join(named), *options]
        subprocess.run([command_line, *fit], cwd=tmp_path, check=True, capture_output=True)
        theirs = (tmp_path / "m.qualm").read_bytes()
        for form in FORMS:
            made = FORMS[form](table)
            ours = qualm.KNN(**keywords).fit(made, columns=named)
            assert ours.to_bytes() == theirs, (form, named)
            assert ours.feature_names_in_.tolist() == named
    with pytest.raises(ValueError, match="'emb': the vectors of this column are the input"):
        qualm.KNN(dates=True).fit(table, vector="emb")


RECORDS = {
    "fields": {"columns": ["r.x", "deep.in.y", "num"]},
    "vectors": {"vector": "r.v", "id": "name"},
}


@pytest.mark.parametrize("chosen", RECORDS)
def test_fields_of_records_are_named_by_their_path(chosen, rows, table, tmp_path, command_line):
    x, y, v = rows[:, 0].tolist(), rows[:, 1].tolist(), rows[:, 2:].tolist()
    inside = [{"x": a, "v": b, "text": "t"} for a, b in zip(x, v)]
    table = table.append_column("r", pyarrow.array(inside))
    table = table.append_column("deep", pyarrow.array([{"in": {"y": b}} for b in y]))
    parquet.write_table(table, tmp_path / "t.parquet")
    keywords = RECORDS[chosen]
    options = []
    for name, asked in keywords.items():
        options += [f"--{name}", asked if isinstance(asked, str) else ",".join(asked)]
    fit = ["fit", "t.parquet", "-o", "m.qualm", "--detector", "knn", "--contamination", "0.1"]
    subprocess.run([command_line, *fit, *options], cwd=tmp_path, check=True, capture_output=True)
    theirs = (tmp_path / "m.qualm").read_bytes()
    for form in FORMS:
        ours = qualm.KNN().fit(FORMS[form](table), **keywords)
        assert ours.to_bytes() == theirs, form
        scores = ours.decision_function(FORMS[form](table))
        assert np.array_equal(scores, qualm.from_bytes(theirs).decision_function(table)), form
        with pytest.raises(
            ValueError, match="column 'r.z': no such column, asked for as a feature"
        ):
            qualm.KNN().fit(FORMS[form](table), columns=["a", "r.z"])


def test_other_columns_may_hold_anything(rows):
    frame = pandas.DataFrame(rows, columns=LETTERS)
    frame["complex"] = rows[:, 0] + 1j
    frame["mixed"] = [object()] * 200
    expected = qualm.KNN().fit(frame[["a", "b"]]).decision_scores_
    for keywords in ({"columns": ["a", "b"]}, {"exclude": ["c", "d", "e", "complex", "mixed"]}):
        fitted = qualm.KNN().fit(frame, **keywords)
        assert np.array_equal(fitted.decision_scores_, expected)
    of_polars = polars.DataFrame(frame[LETTERS]).with_columns(
        polars.Series("object", [object()] * 200, dtype=polars.Object)
    )
    fitted = qualm.KNN().fit(of_polars, columns=["a", "b"])
    assert np.array_equal(fitted.decision_scores_, expected)
    frame["when"] = pandas.Timestamp("2024-01-01")
    with pytest.raises(
        ValueError, match="column 'when': found .*date and time.*, expected a list"
    ):
        qualm.KNN().fit(frame, vector="when")
    # Numbers beside names are names of nobody's columns.
    frame[7] = 1.0
    fitted = qualm.KNN().fit(frame, columns=["a", "b"])
    assert np.array_equal(fitted.decision_scores_, expected)
    with pytest.raises(TypeError, match="names are of several types, here 7 among texts"):
        qualm.KNN().fit(frame, exclude=["complex", "mixed", "when"])


def test_spaces_around_a_name_are_no_part_of_it(table):
    for form in ("pandas", "polars", "table"):
        fitted = qualm.KNN().fit(FORMS[form](table), columns=["a", " b "])
        assert fitted.feature_names_in_.tolist() == ["a", "b"]


@pytest.mark.filterwarnings("ignore::qualm.QualmWarning")
@each_choice
def test_fit_predict_takes_the_same_keywords(chosen, table):
    keywords, _, _ = CHOICES[chosen]
    decided = qualm.KNN().fit_predict(table, labels="sklearn", **keywords)
    assert np.array_equal(decided, 1 - 2 * qualm.KNN().fit(table, **keywords).labels_)


def test_an_index_of_pandas_is_a_column_where_it_is_named(rows):
    frame = pandas.DataFrame(rows[:, :2], columns=["a", "b"], index=rows[:, 2])
    table = pyarrow.Table.from_pandas(frame)
    assert "__index_level_0__" in table.column_names
    named = ["__index_level_0__", "a"]
    for made in (table, table.to_batches()[0], Stream(table)):
        assert qualm.KNN().fit(made, columns=named).feature_names_in_.tolist() == named
    with pytest.warns(qualm.QualmWarning, match=r"'__index_level_0__' \(the index of a pandas"):
        assert qualm.KNN().fit(table, exclude="a").feature_names_in_.tolist() == ["b"]


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        (
            {"vector": "embd"},
            r"^input, column 'embd': no such column, asked for as the vector; did you mean "
            r"'emb'\? the input has 'name', .* \(asked for with vector=\)$",
        ),
        ({"columns": ["a", "citty"]}, "as a feature; did you mean 'city'. the input has"),
        ({"exclude": "nmu"}, "as excluded; did you mean 'num'.*asked for with exclude="),
        ({"id": ["name", "Zürich"]}, "as an id; the input has 'name', 'num', .* and 2 more"),
        ({"vector": "a"}, "column 'a': found .* type .*floats, expected a list of numbers"),
        ({"vector": "city"}, "column 'city': found .* type text, expected a list of numbers"),
        (
            {"columns": ["a", "city"]},
            "row 1, column 'city': found 'Bern', expected a number; .* without the column$",
        ),
        (
            {"columns": ["a", "emb"]},
            "column 'emb': found .*list.*, expected numbers, one a row; .*columns=; a vector "
            "is chosen with vector=",
        ),
        ({"columns": ["a", "b", "a"]}, "column 'a' is asked for twice as a feature; name it once"),
        ({"id": ["name", "name"]}, "column 'name' is asked for twice as an id; name it once"),
        ({"columns": []}, "columns is empty: name at least one"),
        ({"vector": ""}, "column '': no such column, asked for as the vector"),
        (
            {"vector": "emb", "columns": ["a"]},
            "'a' .* beside the vector column 'emb'; .*asked for with columns= and vector=",
        ),
        (
            {"vector": "emb", "exclude": "emb"},
            "'emb' is asked for both as the vector and as excluded; .* with vector= and exclude=",
        ),
        (
            {"columns": ["a", "b"], "id": "b"},
            "'b' is asked for both as a feature and as an id; .* with columns= and id=",
        ),
        (
            {"exclude": [*LETTERS, "emb", "more", "city"], "id": ["name", "num"]},
            "no numeric column to use as a feature; set aside: 'name', 'num', .* and 2 more",
        ),
        ({"exclude": [*LETTERS, "emb", "more"], "id": "num"}, "no numeric column .* 'name' .text"),
    ],
)
@each_form
def test_what_cannot_be_chosen_is_refused(form, keywords, message, table):
    with pytest.raises(ValueError, match=message):
        qualm.KNN().fit(FORMS[form](table), **keywords)


@pytest.mark.parametrize("keyword", ["vector", "columns", "exclude", "id"])
def test_names_are_texts(keyword, table):
    with pytest.raises(TypeError, match=f"{keyword} = 7: expected (the name|names) of"):
        qualm.KNN().fit(table, **{keyword: 7})


def test_arrays_have_no_names(rows):
    for made, line in (
        (rows, r"X\[:, \[0, 2\]\]"),
        (rows.tolist(), r"X\[:, \[0, 2\]\]"),
        (pandas.DataFrame(rows), r"X\.iloc\[:, \[0, 2\]\]"),
    ):
        with pytest.raises(ValueError, match=f"id: the columns of X have no names: .*{line}"):
            qualm.KNN().fit(made, id="a")
    with pytest.raises(ValueError, match="vector: the columns of X have no names"):
        qualm.KNN().fit(pyarrow.array(rows.tolist()), vector="emb")
    named = pandas.Series(list(rows), name="emb")
    assert qualm.KNN().fit(named, vector="emb").n_features_in_ == 5


def test_two_columns_of_one_name_are_refused(rows):
    twice = pandas.DataFrame(rows, columns=["a", "b", "b", "d", "e"])
    with pytest.raises(ValueError, match="column 'b': the name stands more than once"):
        qualm.KNN().fit(twice, columns=["a", "b"])
    assert qualm.KNN().fit(twice, exclude="b").feature_names_in_.tolist() == ["a", "d", "e"]


def test_nothing_asked_is_nothing_changed(table, rows):
    nothing = {"vector": None, "columns": None, "exclude": [], "id": ()}
    assert qualm.KNN().fit(rows, **nothing).to_bytes() == qualm.KNN().fit(rows).to_bytes()
