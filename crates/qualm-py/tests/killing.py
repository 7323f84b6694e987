"""How a worker of Spark is lost, for the tests and for bench/scale."""


def killing(flag, executor, batch):
    """Passes rows on, but once, at a batch of partition 7, kills its worker or its executor.

    `flag` is a file that says that it has been done.
    """

    def run(batches):
        import os
        import pathlib
        import signal
        import time

        from pyspark import TaskContext

        for number, rows in enumerate(batches):
            if number == batch and TaskContext.get().partitionId() == 7:
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
            yield rows

    return run
