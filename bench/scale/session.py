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


def killing(flag, executor):
    """Passes rows on, but once, in the middle of partition 7, kills its worker or its executor."""

    def run(batches):
        import os
        import pathlib
        import signal
        import time

        from pyspark import TaskContext

        for number, batch in enumerate(batches):
            if number == 3 and TaskContext.get().partitionId() == 7:
                try:
                    os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
                except FileExistsError:
                    pass
                else:
                    victim = os.getpid()
                    if executor:
                        # The parent of the daemon that forks workers.
                        stat = pathlib.Path(f"/proc/{os.getppid()}/stat").read_text()
                        victim = int(stat.rpartition(")")[2].split()[1])
                    os.kill(victim, signal.SIGKILL)
                    time.sleep(60)
            yield batch

    return run


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
