"""A Spark of two executors on this machine, what may happen to it, and what it costs."""

import os
import pathlib
import sys
import time

import psutil


def start(master="local-cluster[2,1,1024]"):
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    return (
        SparkSession.builder.master(master)
        .config("spark.ui.enabled", "false")
        .config("spark.sql.files.openCostInBytes", "128m")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.log.level", "OFF")
        .getOrCreate()
    )


class Cost:
    """Seconds, and seconds of the processor in this process and all below it that still run."""

    def __enter__(self):
        self.begun, self.cpu_before = time.perf_counter(), cpu_seconds()
        return self

    def __exit__(self, *_):
        self.seconds = time.perf_counter() - self.begun
        self.cpu = cpu_seconds() - self.cpu_before


def cpu_seconds():
    total = 0.0
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


def size(folder):
    return sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*.parquet"))
