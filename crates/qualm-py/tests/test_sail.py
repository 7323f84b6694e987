"""The same functions on Sail, through Spark Connect and without Java."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import qualm

pytest.importorskip("pysail")
pytest.importorskip("grpc")
pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

#: A session of Spark Connect and a classic one do not go together in one process.
SCRIPT = """
import json, sys, warnings
warnings.simplefilter("ignore")
import qualm, qualm.spark
from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

rows, model, out, fitted = sys.argv[1:]
server = SparkConnectServer()
server.start(background=True)
spark = SparkSession.builder.remote(f"sc://localhost:{server.listening_address[1]}").getOrCreate()
frame = spark.read.parquet(rows)
qualm.spark.score(frame, model, id="item").write.parquet(out)
try:
    bad = frame.selectExpr("item", "IF(item = 77, NULL, embedding) AS embedding")
    qualm.spark.score(bad, model, id="item").toArrow()
    message = ""
except Exception as error:
    message = str(error)
spec = qualm.IForest(n_estimators=20, random_state=5)
qualm.spark.fit(frame, spec, "embedding", id="item", sample_rows=300).save(fitted)
found = qualm.spark.monitor(frame, model, id="item")
print(json.dumps({"message": message, "n": found.n, "auroc": found.windows[0].comparison.auroc}))
spark.stop()
server.stop()
"""


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    rows = np.random.default_rng(5).normal(size=(2000, 5)).astype(np.float32)
    folder = tmp_path_factory.mktemp("lake") / "rows"
    folder.mkdir()
    for part in range(4):
        some = rows[part * 500 : (part + 1) * 500]
        vectors = pyarrow.ListArray.from_arrays(
            np.arange(0, some.size + 1, 5, dtype=np.int32), some.reshape(-1)
        )
        ids = list(range(part * 500, (part + 1) * 500))
        parquet.write_table(
            pyarrow.table({"item": ids, "embedding": vectors}), folder / f"part-{part}.parquet"
        )
    return folder, rows


def test_the_same_on_sail(parts, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    folder, rows = parts
    table = parquet.read_table(folder)
    detector = qualm.IForest(n_estimators=20).fit(table.select(["embedding"]))
    detector.save(tmp_path / "model.qualm")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            SCRIPT,
            folder,
            tmp_path / "model.qualm",
            tmp_path / "out",
            tmp_path / "fitted.qualm",
        ],
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    found = parquet.read_table(tmp_path / "out").sort_by("item")
    assert found["item"].to_pylist() == list(range(2000))
    assert found["score"].to_pylist() == detector.decision_function(rows).tolist()
    said = json.loads(done.stdout.splitlines()[-1])
    assert "id 77, column 'embedding': missing value" in said["message"]
    assert said["n"] == 2000

    binary = os.environ.get("QUALM_BIN")
    if binary:
        fit = [binary, "fit", folder, "-o", tmp_path / "theirs.qualm", "--sample-rows", 300]
        fit += ["--seed", 5, "--id", "item", "--contamination", 0.1]
        fit += ["--detector", "iforest", "--set", "n_estimators=20"]
        subprocess.run(list(map(str, fit)), check=True)
        ours, theirs = tmp_path / "fitted.qualm", tmp_path / "theirs.qualm"
        assert ours.read_bytes() == theirs.read_bytes()
