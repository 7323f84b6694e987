"""How many threads a call takes: by its own word, by joblib's, by the environment's."""

import json
import os
import sys

import pytest
import qualm
from qualm import _core, _threads
from test_process import python

LIMITS = ("OMP_NUM_THREADS", "RAYON_NUM_THREADS", "LOKY_MAX_CPU_COUNT")


@pytest.fixture(autouse=True)
def sixteen_processors(monkeypatch):
    for name in LIMITS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_core, "available_threads", lambda: 16)


@pytest.mark.parametrize(("n_jobs", "expected"), [(1, 1), (40, 40), (-1, 16), (-2, 15), (-99, 1)])
def test_numbers_are_counted_as_joblib_counts(n_jobs, expected):
    assert _threads.threads(n_jobs) == expected


@pytest.mark.parametrize("name", LIMITS)
def test_the_environment_limits_what_is_not_said(name, monkeypatch):
    monkeypatch.setenv(name, "4")
    assert _threads.threads(-1) == 4
    assert _threads.threads(-2) == 3
    # What is said holds.
    assert _threads.threads(8) == 8
    for nothing in ("", "0", "many", "-3"):
        monkeypatch.setenv(name, nothing)
        assert _threads.threads(-1) == 16
    monkeypatch.setenv(name, "99")
    assert _threads.threads(-1) == 16
    # OpenMP allows a number for each level.
    monkeypatch.setenv(name, "3,2")
    assert _threads.threads(-1) == 3


def test_none_is_what_joblib_says(monkeypatch):
    joblib = pytest.importorskip("joblib")
    assert _threads.threads(None) == 1
    with joblib.parallel_config(n_jobs=3):
        assert _threads.threads(None) == 3
        assert _threads.threads(2) == 2
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        assert _threads.threads(None) == 2
    monkeypatch.setitem(sys.modules, "joblib.parallel", None)
    assert _threads.threads(None) == 1


WORKERS = {
    "loky": "joblib.Parallel(2, backend='loky')(joblib.delayed(use)(n) for n in asked)",
    "multiprocessing": (
        "joblib.Parallel(2, backend='multiprocessing')(joblib.delayed(use)(n) for n in asked)"
    ),
    "threading": "joblib.Parallel(2, backend='threading')(joblib.delayed(use)(n) for n in asked)",
    "fork": "multiprocessing.get_context('fork').Pool(2).map(use, asked)",
    "executor": "list(concurrent.futures.ProcessPoolExecutor(2).map(use, asked))",
}


@pytest.mark.parametrize("kind", WORKERS)
def test_workers_do_not_take_each_others_processors(kind, tmp_path):
    pytest.importorskip("joblib")
    program = f"""
import concurrent.futures, json, multiprocessing, joblib, joblib.parallel
import qualm._threads
def use(n_jobs):
    return qualm._threads.threads(n_jobs)
asked = [-1, None, 3]
if __name__ == "__main__":
    print(json.dumps({WORKERS[kind]}))
"""
    path = tmp_path / "program.py"
    path.write_text(program)
    free = {name: value for name, value in os.environ.items() if name not in LIMITS}
    done = python(f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')", env=free)
    assert done.returncode == 0, done.stderr
    least, none, three = json.loads(done.stdout)
    assert (none, three) == (1, 3)
    # joblib gives each of its processes a share; others say nothing, and take one.
    share = max(1, (os.cpu_count() or 1) // 2) if kind == "loky" else 1
    assert least == share


def test_what_is_no_number_is_refused():
    for wrong, error in ((0, ValueError), ("all", TypeError), (1.5, TypeError), (True, TypeError)):
        with pytest.raises(error, match="n_jobs = "):
            _threads.threads(wrong)


def test_a_single_process_keeps_its_threads(rows):
    assert qualm.KNN(n_jobs=None).fit(rows).labels_.sum() == 20
    assert _threads.available() == 16
