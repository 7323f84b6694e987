"""What a row costs: the model's arithmetic, and the engine around it.

python cost.py spark|sail|alone ROWS MODEL [MODEL ...]
"""

import json
import sys
import tempfile

import session


def main(engine, rows, *models):
    with session.Cost() as cost:
        stop, frame = open_engine(engine, rows)
        n = frame.count() if engine != "alone" else frame.count_rows()
    report(engine, "start-up and a count of the rows", n, cost)
    for model in models:
        if engine == "alone":
            with session.Cost() as cost:
                alone(frame, model)
            report(engine, model, n, cost)
            continue
        import qualm.spark

        with tempfile.TemporaryDirectory() as out, session.Cost() as cost:
            scored = qualm.spark.score(frame, model, id="item", ship="path")
            scored.write.mode("overwrite").parquet(out)
        report(engine, model, n, cost)
    stop()


def open_engine(engine, rows):
    if engine == "spark":
        spark = session.start()
        return spark.stop, spark.read.parquet(rows)
    if engine == "sail":
        from pysail.spark import SparkConnectServer
        from pyspark.sql import SparkSession

        server = SparkConnectServer()
        server.start(background=True)
        address = f"sc://localhost:{server.listening_address[1]}"
        spark = SparkSession.builder.remote(address).getOrCreate()

        def stop():
            spark.stop()
            server.stop()

        return stop, spark.read.parquet(rows)
    from pyarrow import dataset

    return lambda: None, dataset.dataset(rows)


def alone(frame, model):
    """The same batches, one thread, no engine; scores are written, too."""
    import pyarrow.parquet
    import qualm

    batches = frame.to_batches(batch_size=10_000)
    scored = qualm.score_batches(model, batches, ids=["item"])
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        writer = None
        for batch in scored:
            writer = writer or pyarrow.parquet.ParquetWriter(file.name, batch.schema)
            writer.write_batch(batch)
        writer.close()


def report(engine, what, n, cost):
    told = {"engine": engine, "what": what, "rows": n, "seconds": round(cost.seconds, 1)}
    told["cpu_seconds"] = round(cost.cpu, 1)
    told["cpu_us_per_row"] = round(1e6 * cost.cpu / n, 2)
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
