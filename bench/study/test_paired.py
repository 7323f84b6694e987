"""python3 -m pytest bench/study"""

import math

import numpy as np
import pytest
from scipy import stats

from paired import paired


def test_by_hand():
    # Differences 1, 2, 3: standard deviation 1, and t of two degrees of freedom is 4.303.
    found = paired([1, 2, 3])
    assert found.mean == 2
    assert found.error == pytest.approx(1 / math.sqrt(3))
    assert found.high - 2 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert (found.ahead, found.sets, found.sure) == (3, 3, False)


def test_as_scipy():
    a, b = np.random.default_rng(0).normal([[0.4], [0]], size=(2, 50))
    found, theirs = paired(a - b), stats.ttest_rel(a, b)
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    # The interval excludes zero where the test rejects.
    for shift in np.linspace(-1, 1, 21):
        assert paired(a - b + shift).sure == (stats.ttest_rel(a + shift, b).pvalue < 0.05)


@pytest.mark.parametrize("differences", [[], [5.0], [2.0, 2.0, 2.0]])
def test_without_spread_nothing_is_sure(differences):
    assert not paired(differences).sure


def test_ties_are_not_ahead():
    assert paired([0, 0, 1, -1]).ahead == 1
