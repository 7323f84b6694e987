"""Watched streams: alarms, promises, state, pickles, threads, and what is refused."""

import dataclasses
import json
import pickle
import subprocess
import threading

import numpy as np
import pytest
import qualm


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(0)
    return qualm.KNN().fit(rng.normal(size=(400, 3)).astype(np.float32))


def usual(seed, n=400):
    return np.random.default_rng(seed).normal(size=(n, 3)).astype(np.float32)


def test_a_change_raises_one_alarm(model):
    monitor = qualm.Monitor(model, usual(1))
    quiet = monitor.update(usual(2))
    assert not quiet.is_drift
    assert quiet.alarm_at is None
    assert (quiet.n, quiet.n_rows, quiet.n_reference) == (400, 400, 400)
    assert quiet.threshold == 0.05
    alarm = monitor.update(usual(3) + 1.5)
    assert alarm.is_drift
    assert 400 < alarm.alarm_at < 450
    assert alarm.p_val == pytest.approx(10**-alarm.distance)
    assert alarm.distance >= np.log10(20)
    # It stays on, and is not raised again.
    later = monitor.update(usual(4) + 1.5)
    assert later.is_drift
    assert later.alarm_at is None
    assert monitor.alarms == later.alarms == (alarm.alarm_at,)
    assert "1 alarm," in repr(monitor)


def test_a_service_is_armed_again(model):
    monitor = qualm.Monitor(model, usual(1), guarantee="arl", run_length=500)
    results = [monitor.update(usual(seed, 100) + 1.5) for seed in range(4)]
    assert all(result.is_drift and result.p_val is None for result in results)
    assert results[0].threshold == 500
    assert len(results[-1].alarms) >= 4


def test_the_model_has_a_reference_of_its_own(model):
    monitor = qualm.Monitor(model)
    assert monitor.update(usual(2)).n_reference == 400
    with pytest.raises(ValueError, match="give reference"):
        qualm.Monitor(model, mean_of=3)


def test_batches_do_not_matter(model):
    rows = usual(5)
    whole, parts = qualm.Monitor(model, usual(1)), qualm.Monitor(model, usual(1))
    whole.update(rows)
    for part in np.array_split(rows, 7):
        parts.update(part)
    assert whole.state == parts.state
    assert (
        qualm.Monitor(model, usual(1), random_state=1).state
        != qualm.Monitor(model, usual(1)).state
    )


def test_scores_and_rows_give_the_same(model):
    rows, reference = usual(6) + 1, usual(1)
    by_rows = qualm.Monitor(model, reference).update(rows)
    scores = model.decision_function(rows)
    assert qualm.Monitor(model, reference).update_scores(scores) == by_rows
    watched = qualm.monitor.watch(model.decision_function(reference), scores)
    assert watched == by_rows


def test_a_state_goes_on(model, tmp_path):
    monitor = qualm.Monitor(model, usual(1), thin=2)
    monitor.update(usual(2, 333))
    state = monitor.state
    assert len(state) <= 64 << 10
    again = qualm.Monitor.from_state(state, model, usual(1), alpha=0.05, thin=2, random_state=0)
    assert again.state == state
    assert again.update(usual(3)) == monitor.update(usual(3))
    assert again.state == monitor.state
    # The same model from its file.
    model.save(tmp_path / "model.qualm")
    assert qualm.Monitor.from_state(state, tmp_path / "model.qualm").state == state


def test_a_state_of_something_else_is_refused(model):
    state = qualm.Monitor(model, usual(1)).state
    other = qualm.KNN().fit(usual(7))
    with pytest.raises(ValueError, match="another model"):
        qualm.Monitor.from_state(state, other)
    with pytest.raises(ValueError, match="another reference"):
        qualm.Monitor.from_state(state, model, usual(8))
    for name, value in {
        "alpha": 0.01,
        "guarantee": "arl",
        "run_length": 100,
        "thin": 2,
        "mean_of": 3,
        "random_state": 5,
    }.items():
        with pytest.raises(ValueError, match=f"another {name}"):
            qualm.Monitor.from_state(state, model, **{name: value})
    damaged = bytearray(state)
    damaged[len(state) // 2] ^= 1
    for wrong in (bytes(damaged), state[:-3], b"", b"not a state"):
        with pytest.raises(ValueError, match="state"):
            qualm.Monitor.from_state(wrong, model)


def test_pickles_go_on(model, tmp_path):
    monitor = qualm.Monitor(model, usual(1))
    monitor.update(usual(2))
    copy = pickle.loads(pickle.dumps(monitor))
    assert copy.update(usual(3)) == monitor.update(usual(3))
    assert len(copy.to_frame()) == 2
    # With a path, the model stays out of the pickle.
    model.save(tmp_path / "model.qualm")
    light = qualm.Monitor(tmp_path / "model.qualm", usual(1))
    assert len(pickle.dumps(light)) < len(light.state) + 2000
    assert pickle.loads(pickle.dumps(light)).state == light.state


def test_a_frame_of_updates(model):
    monitor = qualm.Monitor(model, usual(1))
    results = [monitor.update(usual(seed, 50)) for seed in range(3)]
    frame = monitor.to_frame()
    assert frame["n_rows"].tolist() == [50, 100, 150]
    assert frame["distance"].tolist() == [result.distance for result in results]
    assert {"is_drift", "p_val", "threshold", "distance"} <= set(frame.columns)


def test_results_are_data(model):
    result = qualm.Monitor(model, usual(1)).update(usual(2))
    assert json.loads(json.dumps(result.to_dict()))["n_rows"] == 400
    nothing = qualm.Monitor(model, usual(1), guarantee="arl", run_length=99).update_scores([])
    assert nothing.to_dict()["distance"] is None
    assert not nothing.is_drift
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.is_drift = True


def test_threads_share_a_monitor(model):
    monitor = qualm.Monitor(model, usual(1))
    work = lambda: [monitor.update(usual(2, 20)) for _ in range(10)]
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert monitor.n_rows == 800


def test_neighbours_that_are_alike_are_noted():
    frames = np.repeat(np.random.default_rng(0).normal(size=100), 5)
    with pytest.warns(qualm.QualmWarning, match="thin or mean_of"):
        qualm.monitor.watch(frames, frames)
    for thinned in ({"thin": 5}, {"mean_of": 5}):
        found = qualm.monitor.watch(frames, frames, **thinned)
        assert (found.n_rows, found.n_reference) == (500, 100)
        assert not found.is_drift


def test_windows_are_those_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    reference, window = rng.normal(size=300), rng.normal(0.4, 1.2, size=120)
    welch = qualm.monitor.compare(reference, window)
    expected = stats.ttest_ind(window, reference, equal_var=False)
    assert welch.statistic == pytest.approx(expected.statistic, rel=1e-10)
    assert welch.p_val == pytest.approx(expected.pvalue, rel=1e-10)
    assert welch.degrees == pytest.approx(expected.df, rel=1e-10)
    assert welch.distance == abs(welch.cohens_d)
    ranks = qualm.monitor.compare(reference, window, "mann_whitney")
    expected = stats.mannwhitneyu(window, reference, method="asymptotic")
    assert ranks.p_val == pytest.approx(expected.pvalue, rel=1e-10)
    assert ranks.auroc == pytest.approx(expected.statistic / (300 * 120), rel=1e-10)
    distance = qualm.monitor.compare(reference, window, "ks")
    expected = stats.ks_2samp(reference, window)
    assert distance.statistic == pytest.approx(expected.statistic, rel=1e-10)
    assert json.loads(json.dumps(welch.to_dict()))["n"] == 120


def test_an_alarm_of_a_window_needs_an_effect():
    reference = np.linspace(0, 1, 100_000)
    trifle = reference + 0.01
    assert not qualm.monitor.compare(reference, trifle).is_drift
    assert qualm.monitor.compare(reference, trifle, min_effect=0).is_drift
    assert qualm.monitor.compare(reference, trifle).p_val < 1e-10


def test_a_state_of_the_command_line_goes_on(command_line, model, tmp_path):
    model.save(tmp_path / "model.qualm")
    for name, rows in (("reference", usual(1)), ("today", usual(2))):
        np.save(tmp_path / f"{name}.npy", rows)
    command = [command_line, "monitor", "model.qualm", "today.npy", "--sequential"]
    command += ["--reference", "reference.npy", "--state", "state", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True)
    report = json.loads(done.stdout)
    monitor = qualm.Monitor(tmp_path / "model.qualm", usual(1))
    assert monitor.update(usual(2)).distance == pytest.approx(report["distance"])
    state = (tmp_path / "state").read_bytes()
    theirs = qualm.Monitor.from_state(state, tmp_path / "model.qualm", usual(1))
    assert theirs.state == monitor.state


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"alpha": 0}, ValueError, "alpha"),
        ({"alpha": float("nan")}, ValueError, "alpha"),
        ({"alpha": "much"}, TypeError, "alpha"),
        ({"guarantee": "always"}, ValueError, "'ever' or 'arl'"),
        ({"guarantee": "arl"}, ValueError, "needs run_length"),
        ({"run_length": 100}, ValueError, "'arl'"),
        ({"guarantee": "arl", "run_length": 0.5}, ValueError, "run length"),
        ({"thin": 0}, ValueError, "at least 1"),
        ({"thin": 2.5}, TypeError, "whole number"),
        ({"thin": 2, "mean_of": 2}, ValueError, "not both"),
        ({"random_state": -1}, ValueError, "random_state"),
        ({"reference": np.zeros((5, 3))}, ValueError, "20"),
        ({"reference": np.zeros((50, 4))}, ValueError, "4 features"),
        ({"alpha": 0.001}, ValueError, "1000"),
    ],
)
def test_settings_are_checked(model, arguments, error, message):
    with pytest.raises(error, match=message):
        qualm.Monitor(model, **{"reference": usual(1), **arguments})


def test_rows_and_scores_are_checked(model):
    monitor = qualm.Monitor(model, usual(1))
    monitor.update(usual(2))
    before = monitor.state
    wrong = usual(3)
    wrong[4, 1] = np.nan
    with pytest.raises(ValueError, match="row 5, column '2'"):
        monitor.update(wrong)
    with pytest.raises(ValueError, match="row 402"):
        monitor.update_scores([0.0, np.inf])
    with pytest.raises(ValueError, match="shape"):
        monitor.update_scores([[0.0]])
    with pytest.raises(TypeError, match="numbers"):
        monitor.update_scores(["a"])
    assert monitor.state == before
    with pytest.raises(qualm.NotFittedError):
        qualm.Monitor(qualm.KNN())
    with pytest.raises(ValueError, match="'welch', 'mann_whitney' or 'ks'"):
        qualm.monitor.compare([0, 1, 2], [1, 2], "t")
    with pytest.raises(ValueError, match="2"):
        qualm.monitor.compare([0, 1, 2], [1])
    with pytest.raises(ValueError, match="alpha"):
        qualm.monitor.compare([0, 1, 2], [1, 2], alpha=1)
    with pytest.raises(ValueError, match="min_effect"):
        qualm.monitor.compare([0, 1, 2], [1, 2], min_effect=-1)
