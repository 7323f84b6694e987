"""RESULTS.md from results.parquet."""

import statistics
from collections import Counter, defaultdict

from contender import between_marks, table

from paired import paired
from sets import FOLDERS, PROTOCOLS
from variants import BASELINES, DEFAULT, contenders

# Who is ranked: each kind's default, the other detectors, and the consensus.
FIELD = [*BASELINES, "pyod consensus"]
HALVES = ["A", "B"]


def mean(values):
    values = list(values)
    return statistics.fmean(values) if values else float("nan")


def number(value, digits=1, sign=""):
    return "–" if value != value else f"{value:{sign}.{digits}f}"


class Kind:
    """The runs on a kind of sets: for every contender and set its AUROC in points, by seed."""

    def __init__(self, name, rows):
        self.name = name
        self.scores, self.seconds = defaultdict(dict), defaultdict(list)
        for row in rows:
            if row["status"] == "ok":
                by_set = self.scores[row["contender"]]
                by_set.setdefault(row["set"], []).append(100 * row["auroc"])
                self.seconds[row["contender"]].append(row["seconds"])
        self.sets = sorted({row["set"] for row in rows})

    def means(self, contender, sets=None):
        """The contender's mean on each set that it finished."""
        by_set = self.scores[contender]
        wanted = self.sets if sets is None else sets
        return [mean(by_set[name]) for name in wanted if name in by_set]

    def spreads(self, contender):
        """Standard deviation over seeds on each set."""
        by_set = self.scores[contender].values()
        return [statistics.stdev(values) for values in by_set if len(values) > 1]


class Protocol(Kind):
    """A kind of sets under a protocol, beside the default preset."""

    def __init__(self, name, rows):
        super().__init__(name, rows)
        self.default = DEFAULT[name]
        half = {row["set"]: row["half"] for row in rows}
        self.halves = [[name for name in self.sets if half[name] == which] for which in HALVES]
        names = [one.name for one in contenders() if self.scores.get(one.name)]
        self.names = sorted(names, key=lambda name: -mean(self.means(name)))

    def ranks(self, contender):
        """Its rank on each set among the field and itself, 1 = best; ties share."""
        others = [name for name in [self.default, *FIELD] if name != contender]
        ranks = []
        for name, own in self.scores[contender].items():
            against = [mean(self.scores[other].get(name, [])) for other in others]
            better = sum(value > mean(own) for value in against)
            equal = sum(value == mean(own) for value in against)
            ranks.append(1 + better + equal / 2)
        return ranks

    def line(self, contender):
        spreads, values = self.spreads(contender), self.means(contender)
        return [
            contender,
            len(values),
            number(mean(values)),
            *(number(mean(self.means(contender, half))) for half in self.halves),
            number(statistics.median(values)),
            number(mean(self.ranks(contender)), 2),
            number(mean(spreads), 2),
            f"{100 * mean(s < 1.5 for s in spreads):.0f} %" if spreads else "–",
            number(mean(self.seconds[contender]), 3),
        ]

    def means_table(self):
        header = ["contender", "sets", "mean", "half A", "half B", "median", "mean rank"]
        header += ["spread", "spread under 1.5", "seconds a fit"]
        return table(header, map(self.line, self.names))

    def test(self, other, sets):
        """What the default is ahead of another contender by, over the sets that both finished."""
        ours, theirs = self.scores[self.default], self.scores[other]
        both = [name for name in sets if name in ours and name in theirs]
        found = paired(mean(ours[name]) - mean(theirs[name]) for name in both)
        gain = f"{number(found.mean, 1, '+')} ({number(found.error)})"
        interval = f"{number(found.low, 1, '+')} to {number(found.high, 1, '+')}"
        count = f"{found.ahead} of {found.sets}"
        return [f"**{gain}**" if found.sure else gain, interval, count]

    def tests_table(self):
        header = [f"{self.default} beside"]
        for which in ["all", "half A", "half B"]:
            header += [f"{which}: ahead by", "95 % interval", "ahead on"]
        lines = []
        for other in self.names:
            if other != self.default:
                parts = [self.test(other, sets) for sets in [self.sets, *self.halves]]
                lines.append([other, *(cell for part in parts for cell in part)])
        return table(header, lines)


def unfinished(rows):
    """Fits without a result: how many of each contender ended how."""
    told = Counter()
    for row in rows:
        if row["status"] != "ok":
            late = row["status"].startswith("over ")
            told[row["contender"], "over the time limit" if late else "refused"] += 1
    text = ", ".join(f"{name} {how} {n}" for (name, how), n in sorted(told.items()))
    return f"Fits without a result: {text}.\n\n" if text else ""


def write(rows, document):
    """The tables of every kind of sets and protocol, into the document."""
    known = {one.name for one in contenders()}
    rows = [row for row in rows if row["contender"] in known]
    machines = "; ".join(sorted({row["machine"] for row in rows}))
    revisions = ", ".join(sorted({row["revision"] for row in rows}))
    text = f"{machines}. Revisions: {revisions}.\n\n"
    for kind in FOLDERS:
        for protocol in PROTOCOLS:
            own = [row for row in rows if (row["kind"], row["protocol"]) == (kind, protocol)]
            if not own:
                continue
            found = Protocol(kind, own)
            title = f"{kind.capitalize()}, {protocol}: {len(found.sets)} sets"
            text += f"## {title}\n\n{found.means_table()}\n{unfinished(own)}"
            if found.scores.get(found.default):
                text += f"Paired tests:\n\n{found.tests_table()}\n"
    between_marks(document, text)
