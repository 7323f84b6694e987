"""What a process does with it: threads, forks, signals, panics, a bare environment."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import qualm
from conftest import quick
from qualm import _core


def python(program, **keywords):
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=300,
        **keywords,
    )


def test_a_panic_is_an_exception():
    with pytest.raises(RuntimeError, match="bug in qualm, please report it: asked to"):
        _core._panic()


def test_ctrl_c_stops_a_fit_soon():
    program = """
import sys, threading, time, os, signal, numpy as np, qualm
# Whoever started this may have Ctrl-C ignored, as shells do for what runs in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)
rows = np.random.default_rng(0).normal(size=(20_000, 50)).astype(np.float32)
sent = []
def interrupt():
    time.sleep(1.5)
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    qualm.DUM(epochs=100_000, max_steps=0, hidden=256).fit(rows)
except KeyboardInterrupt:
    print(time.monotonic() - sent[0])
"""
    done = python(program)
    assert done.returncode == 0, done.stderr
    # It takes milliseconds; the rest is for machines that do something else as well.
    assert float(done.stdout) < 5


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_child_processes_score(method, rows, tmp_path):
    detector = quick(qualm.DUM).fit(rows)
    detector.decision_function(rows)
    program = f"""
import multiprocessing, warnings, numpy as np, qualm
warnings.simplefilter("ignore")
rows = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
detector = qualm.DUM(min_steps=50, epochs=1).fit(rows)
expected = detector.decision_function(rows)
def score(part):
    return detector.decision_function(part)
if __name__ == "__main__":
    context = multiprocessing.get_context({method!r})
    with context.Pool(2) as pool:
        scored = pool.map(score, [rows[:100], rows[100:]], chunksize=1)
    assert np.array_equal(np.concatenate(scored), expected)
    print("done")
"""
    path = tmp_path / "program.py"
    path.write_text(program)
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, timeout=120)
    assert done.stdout == "done\n", done.stderr


def test_threads_share_a_detector(rows):
    detector = quick(qualm.DUM, n_jobs=2).fit(rows)
    expected = detector.decision_function(rows)
    threshold = detector.threshold_
    wrong = []

    def use(number):
        for _ in range(30):
            if not np.array_equal(detector.decision_function(rows), expected):
                wrong.append(number)
            detector.set_threshold(contamination=0.1)

    threads = [threading.Thread(target=use, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert detector.threshold_ == threshold


def test_other_threads_run_during_a_fit(rows):
    ticks = []
    stop = threading.Event()

    def tick():
        while not stop.wait(0.005):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    start = time.monotonic()
    qualm.DUM(min_steps=2000, batch_size=200, n_jobs=1).fit(rows)
    end = time.monotonic()
    stop.set()
    thread.join()
    during = [t for t in ticks if start < t < end]
    assert len(during) > 10


def test_progress_is_lines_without_tqdm(rows, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    qualm.DUM(min_steps=1500, epochs=1, batch_size=200, verbose=1, n_jobs=1).fit(rows)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "DUM: training" in printed.err
    assert ", loss " in printed.err


def test_progress_is_a_bar_with_tqdm(rows, capsys):
    pytest.importorskip("tqdm")
    qualm.DUM(min_steps=1500, epochs=1, batch_size=200, verbose=1, n_jobs=1).fit(rows)
    assert "DUM: training" in capsys.readouterr().err


def test_what_the_progress_raises_comes_out(rows):
    def report(*news):
        raise LookupError("enough")

    native = qualm._input.rows(rows)
    keys = {"min_steps": 200_000, "max_steps": 0}
    request = json.dumps({"detector": "dum", "preset": "default", "keys": keys})
    with pytest.raises(LookupError, match="enough"):
        _core.fit(request, native, 0, 1, 0.1, report)


def test_it_needs_numpy_alone(tmp_path):
    # A finder that refuses everything else that is installed.
    program = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in "sklearn scipy pandas pyarrow polars pyod tqdm".split():
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import numpy as np, qualm
rows = np.random.default_rng(0).normal(size=(200, 5))
try:
    qualm.SP().predict(rows)
except qualm.NotFittedError as error:
    assert isinstance(error, ValueError) and isinstance(error, AttributeError)
    assert type(error).__module__.startswith("qualm"), type(error)
detector = qualm.SP().fit(rows)
detector.predict_confidence(rows), detector.predict_proba(rows, method="unify")
detector.save(sys.argv[1])
qualm.load(sys.argv[1]).p_values(rows)
loaded = {name.split(".")[0] for name in sys.modules}
assert not loaded & {"sklearn", "scipy", "pandas", "pyarrow"}, loaded
"""
    path = str(tmp_path / "m.qualm")
    done = subprocess.run(
        [sys.executable, "-c", program, path],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_not_fitted_is_scikit_learns():
    exceptions = pytest.importorskip("sklearn.exceptions")
    assert qualm.NotFittedError is exceptions.NotFittedError


def test_hash_seed_and_environment_do_not_matter(rows):
    program = """
import numpy as np, qualm
rows = np.random.default_rng(0).normal(size=(200, 5)).astype(np.float32)
print(qualm.DUM(min_steps=50, epochs=1).fit(rows).decision_scores_.tobytes().hex()[:400])
"""
    environments = [
        {"PYTHONHASHSEED": "1", "RAYON_NUM_THREADS": "1"},
        {"PYTHONHASHSEED": "2"},
    ]
    printed = {python(program, env={**os.environ, **more}).stdout for more in environments}
    assert len(printed) == 1
    assert len(printed.pop()) > 400


def test_signals_in_other_threads_are_left_alone(rows):
    # Only the main thread hears of Ctrl-C; a fit in another one goes on.
    before = signal.getsignal(signal.SIGINT)
    results = []
    thread = threading.Thread(target=lambda: results.append(quick(qualm.DUM).fit(rows)))
    thread.start()
    thread.join()
    assert results[0].threshold_ == quick(qualm.DUM).fit(rows).threshold_
    assert signal.getsignal(signal.SIGINT) is before
