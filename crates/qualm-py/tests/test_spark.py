"""Spark with two executors: the same bits as on one machine, whatever fails meanwhile."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import qualm
from killing import killing

pyspark = pytest.importorskip("pyspark")
pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
    pytest.skip("skipped: Spark needs Java, and there is none here", allow_module_level=True)

import qualm.spark  # noqa: E402

#: py4j leaves sockets to the collector.
pytestmark = pytest.mark.filterwarnings("ignore")

N_ROWS, WIDTH, N_PARTS = 8000, 6, 8


@pytest.fixture(scope="module")
def spark():
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    session = (
        pyspark.sql.SparkSession.builder.master("local-cluster[2,1,1024]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "1g")
        .config("spark.sql.shuffle.partitions", "2")
        # A partition for each file, however small.
        .config("spark.sql.files.openCostInBytes", "128m")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "200")
        .config("spark.log.level", "OFF")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="module")
def rows():
    rows = np.random.default_rng(3).normal(size=(N_ROWS, WIDTH)).astype(np.float32)
    rows[::97] *= 4
    return rows


def write_parts(folder, table, n_parts=N_PARTS):
    folder.mkdir()
    size = -(-table.num_rows // n_parts)
    for part in range(n_parts):
        rows = table.slice(part * size, size)
        parquet.write_table(rows, folder / f"part-{part:05}.parquet")
    return folder


def as_table(rows, first_id=0):
    values = pyarrow.array(rows.reshape(-1))
    vectors = pyarrow.FixedSizeListArray.from_arrays(values, rows.shape[1])
    ids = [f"row {i}" for i in range(first_id, first_id + len(rows))]
    return pyarrow.table(
        {"item": ids, "embedding": vectors, "day": [i * 3 // len(rows) for i in range(len(rows))]}
    )


@pytest.fixture(scope="module")
def parts(rows, tmp_path_factory):
    return write_parts(tmp_path_factory.mktemp("lake") / "rows", as_table(rows))


@pytest.fixture(scope="module")
def model(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.qualm"
    qualm.IForest(n_estimators=30).fit(as_table(rows[:500]).select(["embedding"])).save(path)
    return path


@pytest.fixture(scope="module")
def expected(model, rows):
    detector = qualm.load(model)
    return dict(zip(as_table(rows)["item"].to_pylist(), detector.decision_function(rows).tolist()))


def read_output(folder):
    assert (folder / "_SUCCESS").exists()
    return parquet.read_table(folder)


def check(folder, expected):
    """Each id once, with the very same score."""
    found = read_output(folder)
    ids = found["item"].to_pylist()
    assert len(ids) == len(set(ids)) == len(expected)
    assert dict(zip(ids, found["score"].to_pylist())) == expected
    return found


def files(folder):
    """The files of data that a reader would take for output."""
    return [path.name for path in folder.rglob("part-*") if "_temporary" not in path.parts]


def test_scores_are_those_of_one_machine(spark, parts, model, expected, rows, tmp_path):
    frame = spark.read.parquet(str(parts))
    assert frame.rdd.getNumPartitions() == N_PARTS
    scored = qualm.spark.score(frame, model, id="item")
    assert scored.columns == ["item", "score", "p_value", "outlier"]
    scored.write.parquet(str(tmp_path / "out"))
    found = check(tmp_path / "out", expected)
    detector = qualm.load(model)
    order = [int(item.split()[1]) for item in found["item"].to_pylist()]
    assert found["p_value"].to_pylist() == detector.p_values(rows)[order].tolist()
    assert found["outlier"].to_pylist() == detector.predict(rows)[order].tolist()

    # Once more over its own output, with the model read from its path by the workers.
    again = qualm.spark.score(frame, model, id="item", ship="path")
    again.write.mode("overwrite").parquet(str(tmp_path / "out"))
    check(tmp_path / "out", expected)


def test_scores_are_those_of_the_command_line(
    spark, parts, model, expected, tmp_path, command_line
):
    out = tmp_path / "out.parquet"
    subprocess.run([command_line, "score", model, parts, "--id", "item", "-o", out], check=True)
    theirs = parquet.read_table(out)
    assert dict(zip(theirs["item"].to_pylist(), theirs["score"].to_pylist())) == expected


@pytest.mark.parametrize("victim", ["worker", "executor"])
def test_each_row_once_when_something_is_killed(spark, parts, model, expected, tmp_path, victim):
    flag = str(tmp_path / "killed")
    frame = spark.read.parquet(str(parts))
    frame = frame.mapInArrow(killing(flag, victim == "executor", batch=1), frame.schema)
    scored = qualm.spark.score(frame, model, id="item")
    scored.write.parquet(str(tmp_path / "out"))
    assert os.path.exists(flag)
    check(tmp_path / "out", expected)


def test_columns_are_chosen_and_carried(spark, rows, tmp_path):
    names = [f"x.{i}" for i in range(WIDTH)]
    columns = {name: rows[:400, i] for i, name in enumerate(names)}
    table = pyarrow.table({"a": list(range(400)), "b": ["t"] * 400, **columns})
    parquet.write_table(table, tmp_path / "rows.parquet")
    detector = qualm.KNN().fit(table.select(names))
    frame = spark.read.parquet(str(tmp_path / "rows.parquet"))
    mixed = frame.select(*[f"`{name}`" for name in reversed(frame.columns)])
    scored = qualm.spark.score(mixed, detector, id=["a", "b"], fpr=0.2).toArrow()
    assert scored.column_names == ["a", "b", "score", "p_value", "outlier"]
    assert scored["score"].to_pylist() == detector.decision_function(table).tolist()
    every = qualm.spark.score(mixed, detector, id=mixed.columns).toArrow()
    assert every.column_names == [*mixed.columns, "score", "p_value", "outlier"]
    assert every["x.3"].to_pylist() == table["x.3"].to_pylist()
    assert every["score"].to_pylist() == scored["score"].to_pylist()
    detector.set_threshold(fpr=0.2)
    assert scored["outlier"].to_pylist() == detector.predict(table).tolist()


# ---- rows and columns that cannot be scored ---------------------------------------------------


def spoiled(folder, rows, spoil):
    """Parts of which row 5505 is spoiled: its id is 'row 5505'."""
    table = as_table(rows)
    vectors = [row.tolist() for row in rows]
    vectors[5505] = spoil(vectors[5505])
    held = pyarrow.list_(pyarrow.float32())
    return write_parts(
        folder, table.set_column(1, "embedding", pyarrow.array(vectors, held)), N_PARTS
    )


SPOILS = {
    "ragged": (lambda row: row[:-1], "found a vector of 5 values, expected 6"),
    "null": (lambda row: None, "column 'embedding': missing value"),
    "null inside": (lambda row: [None, *row[1:]], "missing value"),
    "NaN": (lambda row: [*row[:-1], float("nan")], "found NaN, expected a finite number"),
}


@pytest.mark.parametrize("name", SPOILS)
def test_a_bad_row_fails_the_job_with_its_id_and_part(spark, rows, model, tmp_path, name):
    spoil, message = SPOILS[name]
    frame = spark.read.parquet(str(spoiled(tmp_path / "rows", rows, spoil)))
    scored = qualm.spark.score(frame, model, id="item")
    with pytest.raises(Exception, match=message) as caught:
        scored.write.parquet(str(tmp_path / "out"))
    assert re.search(r"partition \d+, id 'row 5505'", str(caught.value))
    assert files(tmp_path / "out") == []
    assert not (tmp_path / "out" / "_SUCCESS").exists()

    accepted = qualm.spark.score(frame, model, id="item", on_error="reject").toArrow()
    assert accepted.num_rows == N_ROWS
    (bad,) = accepted.filter(pyarrow.compute.is_valid(accepted["error"])).to_pylist()
    assert bad["item"] == "row 5505"
    assert bad["score"] is None
    assert re.match(r"partition \d+, id 'row 5505'(, column 'embedding|: got 5)", bad["error"])


def test_other_columns_fail_before_a_job(spark, parts, model, tmp_path, rows):
    frame = spark.read.parquet(str(parts))
    with pytest.raises(ValueError, match="'embedding'"):
        qualm.spark.score(frame.drop("embedding"), model, id="item")
    with pytest.raises(ValueError, match="no column 'name' for ids; there are: item, embedding"):
        qualm.spark.score(frame, model, id="name")
    with pytest.raises(ValueError, match="no id column"):
        qualm.spark.score(frame, model)
    with pytest.raises(ValueError, match="'item': found type string, expected numbers"):
        qualm.spark.score(frame, model, "item", id="day")
    with pytest.raises(ValueError, match="'score' would stand twice"):
        qualm.spark.score(frame.withColumnRenamed("item", "score"), model, id="score")
    with pytest.raises(FileNotFoundError, match="nowhere.qualm"):
        qualm.spark.score(frame, tmp_path / "nowhere.qualm", id="item")
    with pytest.raises(ValueError, match="on_error = 'skip'"):
        qualm.spark.score(frame, model, id="item", on_error="skip")
    with pytest.raises(qualm.NotFittedError):
        qualm.spark.score(frame, qualm.KNN(), id="item")


def test_a_model_of_another_width(spark, parts, rows, tmp_path):
    narrow = qualm.KNN().fit(as_table(rows[:100, :3].copy()).select(["embedding"]))
    frame = spark.read.parquet(str(parts))
    with pytest.raises(Exception, match="got 6 columns, expected 3") as caught:
        qualm.spark.score(frame, narrow, id="item").write.parquet(str(tmp_path / "out"))
    assert "partition " in str(caught.value)
    assert files(tmp_path / "out") == []


def test_a_model_that_workers_cannot_read(spark, parts, model, tmp_path):
    moved = tmp_path / "model.qualm"
    shutil.copy(model, moved)
    frame = spark.read.parquet(str(parts))
    scored = qualm.spark.score(frame, moved, id="item", ship="path")
    other = qualm.spark.score(frame, moved, id="item", ship="path", n_jobs=1)
    moved.unlink()
    qualm_only = qualm.KNN().fit(np.random.default_rng(0).normal(size=(50, WIDTH)))
    # Workers that have opened it already go on with what they hold: start from none.
    spark.range(64, numPartitions=16).rdd.foreach(forget())
    with pytest.raises(Exception, match="a worker cannot read the model"):
        scored.write.parquet(str(tmp_path / "out"))
    assert files(tmp_path / "out") == []
    qualm_only.save(moved)
    spark.range(64, numPartitions=16).rdd.foreach(forget())
    with pytest.raises(Exception, match="a worker found another model than the driver"):
        other.write.mode("overwrite").parquet(str(tmp_path / "out"))


def forget():
    def run(_):
        from qualm.spark import _tasks

        _tasks._OPENED.clear()

    return run


# ---- fit --------------------------------------------------------------------------------------


@pytest.fixture
def fixed_time(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")


@pytest.mark.parametrize("n_parts", [1, 4, 16])
def test_a_fit_is_the_same_for_any_partitioning(
    spark, parts, tmp_path, command_line, fixed_time, n_parts
):
    spec = qualm.IForest(n_estimators=30, random_state=5)
    frame = spark.read.parquet(str(parts)).select("item", "embedding").repartition(n_parts)
    fitted = qualm.spark.fit(frame, spec, id="item", sample_rows=1000)
    fit = ["fit", parts, "-o", tmp_path / "theirs.qualm", "--seed", 5, "--sample-rows", 1000]
    fit += ["--id", "item", "--vector", "embedding", "--contamination", 0.1]
    fit += ["--detector", "iforest", "--set", "n_estimators=30"]
    subprocess.run([command_line, *map(str, fit)], check=True)
    assert fitted._model.to_bytes() == (tmp_path / "theirs.qualm").read_bytes()
    sampling = fitted.provenance_["sampling"]
    assert (sampling["n_rows"], sampling["n_reference"]) == (N_ROWS, N_ROWS - 1000)
    assert fitted.provenance_["reference"] == "separate_rows"


def own_scores(rows):
    return qualm.KNN().fit(rows).decision_scores_


def test_merged_p_values_are_within_the_stated_error(spark, parts, rows):
    frame = spark.read.parquet(str(parts)).select("item", "embedding")
    fitted = qualm.spark.fit(frame, qualm.KNN(), id="item", sample_rows=1000)
    scores = fitted.decision_function(rows)
    # The reference is all rows but the thousand with the smallest hashes of seed and id.
    keys = [hashlib.sha256(bytes(8) + f"row {i}".encode()).digest() for i in range(N_ROWS)]
    order = sorted(range(N_ROWS), key=keys.__getitem__)
    assert np.array_equal(fitted.decision_scores_, own_scores(rows[order[:1000]]))
    apart = np.sort(scores[order[1000:]])
    exact = (1 + len(apart) - np.searchsorted(apart, scores)) / (1 + len(apart))
    merged = fitted.p_values(rows)
    error = fitted.provenance_["sampling"]["p_value_error"]
    assert 0 < error < 0.01
    assert (merged >= exact).all()
    assert (merged <= exact + error + 1e-12).all()


def test_few_rows_are_fitted_whole(spark, rows, tmp_path):
    parquet.write_table(as_table(rows[:300]), tmp_path / "rows.parquet")
    frame = spark.read.parquet(str(tmp_path / "rows.parquet")).select("item", "embedding")
    fitted = qualm.spark.fit(frame, qualm.KNN(), id="item")
    assert fitted.provenance_["n_rows"] == 300
    assert fitted.provenance_["reference"] == "fitted_rows"
    # More rows than half of them: their own scores remain the reference.
    fitted = qualm.spark.fit(frame, qualm.KNN(), id="item", sample_rows=200)
    assert fitted.provenance_["sampling"] == {"n_rows": 300, "n_reference": 0, "p_value_error": 0}


@pytest.mark.parametrize("name", SPOILS)
def test_a_bad_row_fails_the_fit(spark, rows, tmp_path, name):
    spoil, message = SPOILS[name]
    frame = spark.read.parquet(str(spoiled(tmp_path / "rows", rows, spoil)))
    with pytest.raises(Exception, match=message) as caught:
        qualm.spark.fit(frame.select("item", "embedding"), qualm.KNN(), id="item", sample_rows=100)
    assert re.search(r"partition \d+, id 'row 5505'", str(caught.value))


def test_what_cannot_be_fitted(spark, parts, rows, tmp_path):
    frame = spark.read.parquet(str(parts)).select("item", "embedding")
    with pytest.raises(ValueError, match="'vectors'"):
        qualm.spark.fit(frame, qualm.KNN(), "vectors", id="item")
    with pytest.raises(ValueError, match="no id column"):
        qualm.spark.fit(frame, qualm.KNN())
    with pytest.raises(TypeError, match="expected a detector"):
        qualm.spark.fit(frame, "knn", id="item")
    with pytest.raises(ValueError, match="sample_rows = 1"):
        qualm.spark.fit(frame, qualm.KNN(), id="item", sample_rows=1)
    with pytest.raises(ValueError, match="no rows to fit to"):
        qualm.spark.fit(frame.limit(0), qualm.KNN(), id="item")
    unnamed = as_table(rows[:50]).set_column(0, "item", pyarrow.array([None] + ["x"] * 49))
    parquet.write_table(unnamed, tmp_path / "rows.parquet")
    frame = spark.read.parquet(str(tmp_path / "rows.parquet"))
    with pytest.raises(Exception, match="partition 0, id None, column 'item': missing value"):
        qualm.spark.fit(frame, qualm.KNN(), "embedding", id="item")


# ---- monitor ----------------------------------------------------------------------------------


@pytest.mark.parametrize("test", ["welch", "mann_whitney", "ks"])
def test_windows_have_the_verdict_of_the_command_line(
    spark, parts, model, rows, tmp_path, command_line, test
):
    moved = rows.copy()
    moved[6000:] += 0.6
    folder = write_parts(tmp_path / "moved", as_table(moved))
    frame = spark.read.parquet(str(folder))
    usual = spark.read.parquet(str(parts))
    found = qualm.spark.monitor(
        frame.repartition(5), model, window="day", reference=usual, test=test, id="item"
    )
    assert [window.window for window in found.windows] == [0, 1, 2]
    assert [window.is_drift for window in found.windows] == [False, False, True]
    name = test.replace("_", "-")
    # A window for each day: the rows of the shortest are 2666, and one more is not looked at.
    told = [command_line, "monitor", model, folder, "--reference", parts, "--window", 2667]
    told += ["--stream", "day", "--test", name, "--json"]
    done = subprocess.run(list(map(str, told)), capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    theirs = json.loads(done.stdout)
    assert found.is_drift == theirs["is_drift"]
    ours = {int(window.window): window for window in found.windows}
    for window in theirs["windows"]:
        mine = ours[int(window["stream"])]
        for key in ("statistic", "log10_p", "cohens_d", "auroc"):
            assert getattr(mine.comparison, key) == pytest.approx(window[key], rel=1e-9)
        assert mine.comparison.n == window["n"]


def test_one_window_and_windows_that_say_nothing(spark, parts, model, rows):
    frame = spark.read.parquet(str(parts))
    found = qualm.spark.monitor(frame, model, id="item")
    assert len(found.windows) == 1
    assert found.n == N_ROWS
    scores = qualm.load(model).decision_function(rows)
    reference = qualm.load(model)._model.reference_scores()
    same = qualm.monitor.compare(reference, np.sort(scores))
    assert found.windows[0].comparison == same
    json.dumps(found.to_dict())
    lone = frame.selectExpr("item", "embedding", "if(item = 'row 7', 99, day) AS day")
    with pytest.warns(qualm.QualmWarning, match="1 window"):
        assert len(qualm.spark.monitor(lone, model, window="day").windows) == 3
    without = frame.selectExpr("item", "embedding", "nullif(day, 1) AS day")
    with pytest.raises(ValueError, match="column 'day': 266[67] rows have no value"):
        qualm.spark.monitor(without, model, window="day")
    with pytest.raises(ValueError, match="no column 'hour'"):
        qualm.spark.monitor(frame, model, window="hour")
    with pytest.raises(ValueError, match="no rows to compare"):
        qualm.spark.monitor(frame.limit(0), model)
