"""The Python side of `bench.py`: answers each line on standard input with one line of JSON.

    read FILE            rows of a .npy file
    fit DETECTOR JOBS    fits the preset `default` to the first 20,000 of them
    score                seconds of decision_function over all of them, and a digest of the scores
    threads N            seconds of N threads that score all of them at once, one thread each
    interrupt            seconds from Ctrl-C to KeyboardInterrupt in a long fit
"""

import hashlib
import json
import os
import signal
import sys
import threading
import time

import numpy as np

import qualm

FITTED = 20_000
CLASSES = {"dum": qualm.DUM, "iforest": qualm.IForest, "sp": qualm.SP}


def score(model, rows):
    started = time.perf_counter()
    scores = model.decision_function(rows)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "digest": hashlib.sha256(scores.tobytes()).hexdigest()}


def together(model, rows, n):
    threads = [threading.Thread(target=model.decision_function, args=(rows,)) for _ in range(n)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"seconds": time.perf_counter() - started}


def interrupt(rows):
    sent = []

    def send():
        time.sleep(1.0)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=send).start()
    try:
        qualm.DUM(epochs=1_000_000, max_steps=0).fit(rows[:FITTED])
    except KeyboardInterrupt:
        return {"seconds": time.perf_counter() - sent[0]}
    raise SystemExit("the fit was not interrupted")


def main():
    rows = model = None
    for line in sys.stdin:
        match line.split():
            case ["read", path]:
                rows = np.load(path)
                answer = {"n": len(rows)}
            case ["fit", detector, jobs]:
                model = CLASSES[detector].from_preset("default", n_jobs=int(jobs)).fit(rows[:FITTED])
                answer = {}
            case ["score"]:
                answer = score(model, rows)
            case ["threads", n]:
                answer = together(model, rows, int(n))
            case ["interrupt"]:
                answer = interrupt(rows)
            case _:
                answer = {"error": f"not understood: {line.strip()}"}
        print(json.dumps(answer), flush=True)


main()
