"""The statistics of `peers.py` beside the packages themselves.

    bench/monitor/.venv-peers/bin/python bench/monitor/parity.py nonconform
    bench/monitor/.venv-alibi/bin/python bench/monitor/parity.py alibi

Two environments, because nonconform needs NumPy 2.2 and alibi-detect NumPy 1. Ours against
nonconform is in the tests of the library (`crates/qualm/tests/golden/martingales.py`).
"""

import sys

import numpy as np
import peers
import streams


def beside_nonconform():
    from nonconform import martingales
    from nonconform.monitoring import SequentialRankConformalizer

    reference, stream = streams.changed("higher", 0.5, 1, seed=5)
    ranks = SequentialRankConformalizer(seed=3)
    ranks.prime_many(reference[0])
    theirs = ranks.update_many(stream[0])
    uniforms = np.random.default_rng(3).random(len(stream[0]))
    p = peers.p_values(reference[0], stream[0], uniforms)
    print("p-values", np.abs(p - theirs).max())
    contenders = {
        "jumper": (martingales.SimpleJumperMartingale(), peers.jumper),
        "power": (martingales.PowerMartingale(0.5), peers.power),
        "mixture": (martingales.SimpleMixtureMartingale(), peers.mixture),
    }
    for name, (theirs, ours) in contenders.items():
        states = theirs.update_many(p)
        expected = np.array([state.log_restarted_martingale for state in states])
        found = peers.restarted(ours(p[None]))[0]
        print(name, np.abs(found - expected).max() / np.abs(expected).max())


def beside_alibi():
    import torch
    from alibi_detect.cd import KSDrift, MMDDriftOnline

    torch.manual_seed(0)
    reference, stream = streams.changed("higher", 1.0, 1, seed=5)
    reference, stream = reference[0].astype(np.float32), stream[0, :800].astype(np.float32)
    for window in (20, 50):
        detector = MMDDriftOnline(
            reference[:, None],
            ert=50,
            window_size=window,
            backend="pytorch",
            n_bootstraps=1000,
            verbose=False,
        )
        inner = detector._detector
        split = (reference[inner.ref_inds.numpy()], reference[inner.init_test_inds.numpy()])
        theirs = np.array([detector.score(score[None]) for score in stream])
        found = peers.mmd(reference[None], stream[None], window, None, splits=[split])[0]
        print("MMD", window, np.abs(found - theirs).max(), "of", theirs.max())
    detector = KSDrift(reference[:, None], p_val=0.05)
    theirs = [
        detector.predict(stream[start : start + 100, None])["data"]["distance"][0]
        for start in range(0, 800, 100)
    ]
    found = peers.ks(reference[None], stream[None], 100)[0]
    print("KS", np.abs(found[99::100] - theirs).max())


if __name__ == "__main__":
    {"nonconform": beside_nonconform, "alibi": beside_alibi}[sys.argv[1]]()
