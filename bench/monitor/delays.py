"""How often the sequential test is wrong without a change, and how late it is after one, beside
nonconform, alibi-detect and river.

    bench/monitor/run.sh

All contenders see the same streams (`streams.py`). Ours alarms where its guarantee says.
The threshold of each other is chosen such that, on streams without a change, it alarms as often as
ours does: none is slower only because it is stricter. Writes delays.csv and thresholds.csv;
`report.py` makes the tables.
"""

import argparse
import csv
import time
import warnings
from pathlib import Path

import numpy as np
import peers
import qualm
import streams

HERE = Path(__file__).resolve().parent
SEED = 20
ALPHA = 0.05

#: One setting of each, as somebody would choose it who does not know the change.
CONTENDERS = {
    "nonconform jumper": lambda data: peers.restarted(peers.jumper(data.p)),
    "nonconform power": lambda data: peers.restarted(peers.power(data.p)),
    "nonconform mixture": lambda data: peers.restarted(peers.mixture(data.p)),
    "MMD 50": lambda data: data.mmd(50),
    "KS 100": lambda data: peers.ks(data.reference, data.stream, 100),
}
#: Other windows, for comparison.
MORE = {
    "KS 50": lambda data: peers.ks(data.reference, data.stream, 50),
    "KS 200": lambda data: peers.ks(data.reference, data.stream, 200),
}


class Data:
    """Streams, and what several contenders make of them."""

    def __init__(self, reference, stream, seed):
        self.reference, self.stream = reference, stream
        self.rng = np.random.default_rng([seed, 2])
        uniforms = self.rng.random(stream.shape)
        self.p = np.array([peers.p_values(*row) for row in zip(reference, stream, uniforms)])
        self.squares = np.array([peers.bandwidth(row) for row in reference])

    def mmd(self, window):
        return peers.mmd(self.reference, self.stream, window, self.rng, squares=self.squares)

    def ours(self, **settings):
        """The rows, from 1, of our alarms; 0 where there is none."""
        found = [
            qualm.monitor.watch(reference, stream, random_state=i, **settings).alarm_at
            for i, (reference, stream) in enumerate(zip(self.reference, self.stream))
        ]
        return np.array([row or 0 for row in found])

    def adwin(self, delta):
        alarms = [peers.adwin(*row, delta) for row in zip(self.reference, self.stream)]
        return np.array([rows[0] if rows else 0 for rows in alarms])


def first(statistic, threshold):
    """The first row, from 1, at which a statistic reaches its threshold; 0 where it does not."""
    reached = statistic >= threshold
    return np.where(reached.any(1), reached.argmax(1) + 1, 0)


def calibrate_adwin(data, rate):
    """The delta at which ADWIN alarms on as large a share of streams, from below."""
    low, high = 1e-6, 0.1
    for _ in range(10):
        middle = np.sqrt(low * high)
        low, high = (middle, high) if (data.adwin(middle) > 0).mean() <= rate else (low, middle)
    return low


def thresholds(contenders, data, rate):
    """The threshold of each at which it alarms as often, or just less."""
    found = {}
    for name, statistic in contenders.items():
        highest = np.sort(statistic(data).max(1))
        allowed = int(rate * len(highest))
        # Above all but the allowed: ties, as of KS, count as alarms together.
        found[name] = np.nextafter(highest[len(highest) - allowed - 1], np.inf)
        print(f"{name}: threshold {found[name]:.5g}", flush=True)
    return found


def delay(alarms, row):
    """The median delay, the share without an alarm, and how many streams they are of.

    Streams with an alarm before the change are left out.
    """
    fair = alarms[(alarms == 0) | (alarms > row)]
    never = fair == 0
    late = np.where(never, np.inf, fair - row)
    return np.median(late), never.mean(), len(fair)


def main():
    # Of 2,000 references a few are as alike as those of a video by chance.
    warnings.simplefilter("ignore", qualm.QualmWarning)
    parser = argparse.ArgumentParser()
    parser.add_argument("--null", type=int, default=2000)
    parser.add_argument("--streams", type=int, default=200)
    arguments = parser.parse_args()
    contenders = CONTENDERS | MORE
    quiet = Data(*streams.null(arguments.null, SEED), SEED)
    rate = (quiet.ours(alpha=ALPHA) > 0).mean()
    print(f"ours alarms on {rate:.2%} of {arguments.null} streams without a change", flush=True)
    limits = thresholds(contenders, quiet, rate)
    delta = calibrate_adwin(quiet, rate)
    print(f"ADWIN: delta {delta:.3g}", flush=True)
    lines = []
    for kind, (row, strengths, _) in streams.KINDS.items():
        for strength in strengths:
            started = time.process_time()
            data = Data(*streams.changed(kind, strength, arguments.streams, SEED), SEED)
            alarms = {"qualm": data.ours(alpha=ALPHA), "ADWIN": data.adwin(delta)}
            for name, statistic in contenders.items():
                alarms[name] = first(statistic(data), limits[name])
            for name, found in alarms.items():
                median, never, n = delay(found, row)
                lines.append([kind, strength, name, median, f"{never:.4f}", n])
            shown = ", ".join(f"{line[2]} {line[3]:g}" for line in lines[-len(alarms) :])
            print(
                f"{kind} {strength}: {shown} ({time.process_time() - started:.0f} s)", flush=True
            )
    with open(HERE / "delays.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["kind", "strength", "contender", "median_delay", "never", "streams"])
        writer.writerows(lines)
    with open(HERE / "thresholds.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["contender", "threshold", "null_rate"])
        writer.writerow(["qualm", 1 / ALPHA, rate])
        writer.writerows([name, limit, ""] for name, limit in limits.items())
        writer.writerow(["ADWIN", delta, ""])


if __name__ == "__main__":
    main()
