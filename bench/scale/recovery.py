"""Each row exactly once: undisturbed, with a worker killed, an executor killed, and run again.

python recovery.py ROWS MODEL OUT [QUALM]   folders of parts, a model file, a folder to write to
"""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pyarrow.parquet
import qualm.spark
import session

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "crates/qualm-py/tests"))

from killing import killing  # noqa: E402


def main(rows, model, out, binary="qualm"):
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    alone = out / "alone.parquet"
    if not alone.exists():
        with session.Cost() as cost:
            subprocess.run([binary, "score", model, rows, "--id", "item", "-o", alone], check=True)
        print(f"qualm score: {cost.seconds:.1f} s", flush=True)
    expected = pyarrow.parquet.read_table(alone).sort_by("item")

    spark = session.start()
    frame = spark.read.parquet(rows)
    print(f"partitions: {frame.rdd.getNumPartitions()}")

    def run(name, rows, target):
        with session.Cost() as cost:
            scored = qualm.spark.score(rows, model, id="item")
            scored.write.mode("overwrite").parquet(str(target))
        found = pyarrow.parquet.read_table(target).sort_by("item")
        ids = found["item"].to_numpy()
        once = len(ids) == len(expected) and len(np.unique(ids)) == len(ids)
        same = all(
            np.array_equal(found[column].to_numpy(), expected[column].to_numpy())
            for column in ("item", "score", "p_value", "outlier")
        )
        print(
            f"{name}: each id once {once}, the same bits {same}, {cost.seconds:.1f} s", flush=True
        )
        assert once
        assert same

    run("undisturbed", frame, out / "scores")
    run("over its own output", frame, out / "scores")
    for victim in ("worker", "executor"):
        flag = out / f"{victim}.killed"
        flag.unlink(missing_ok=True)
        disturbed = frame.mapInArrow(
            killing(str(flag), victim == "executor", batch=3), frame.schema
        )
        run(f"{victim} killed", disturbed, out / f"scores_{victim}")
        assert os.path.exists(flag)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
