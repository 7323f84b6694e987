"""RESULTS.md from results.parquet."""

import statistics
from collections import defaultdict

from contender import between_marks, table

from variants import BASELINES, PRESETS, contenders, local_bags

SHIPPED = "as shipped"


def mean(values):
    values = list(values)
    return statistics.fmean(values) if values else float("nan")


def number(value, digits=1):
    return "–" if value != value else f"{value:.{digits}f}"


class Kind:
    """The runs on one kind of sets: for every contender and set its AUROC in points, by seed."""

    def __init__(self, name, rows):
        self.name = name
        self.scores, self.seconds = defaultdict(dict), defaultdict(list)
        for row in rows:
            if row["status"] == "ok":
                by_set = self.scores[row["contender"]]
                by_set.setdefault(row["set"], []).append(100 * row["auroc"])
                self.seconds[row["contender"]].append(row["seconds"])
        self.sets = sorted({row["set"] for row in rows})
        # Every other set, in the order of their names.
        self.halves = [self.sets[::2], self.sets[1::2]]

    def means(self, contender, sets=None):
        """The contender's mean on each set that it finished."""
        by_set = self.scores[contender]
        return [mean(by_set[name]) for name in sets or self.sets if name in by_set]

    def ranks(self, contender, others):
        """Its rank on each set among others and itself, 1 = best; ties share."""
        ranks = []
        for name in self.sets:
            own = mean(self.scores[contender].get(name, []))
            against = [mean(self.scores[other].get(name, [])) for other in others]
            if own == own:
                better = sum(value > own for value in against)
                equal = sum(value == own for value in against)
                ranks.append(1 + better + equal / 2)
        return ranks

    def spreads(self, contender):
        """Standard deviation over seeds on each set."""
        by_set = self.scores[contender].values()
        return [statistics.stdev(values) for values in by_set if len(values) > 1]

    def line(self, contender):
        spreads = self.spreads(contender)
        values = self.means(contender)
        field = [SHIPPED, *BASELINES]
        against = [other for other in field if other != contender and self.scores[other]]
        name = f"**{contender}**" if contender == SHIPPED else contender
        return [
            name,
            len(values),
            number(mean(values)),
            *(number(mean(self.means(contender, half))) for half in self.halves),
            number(statistics.median(values)),
            number(mean(self.ranks(contender, against) if self.scores["knn"] else []), 2),
            number(mean(spreads), 2),
            f"{100 * mean(s < 1.5 for s in spreads):.0f} %" if spreads else "–",
            number(mean(self.seconds[contender]), 2),
        ]

    def table(self):
        # Those on the sphere are in LOCAL.md alone.
        elsewhere = {name for name, _ in local_bags(self.name) if name.startswith("sphere")}
        names = [name for name, _, _ in contenders(self.name) if self.scores[name]]
        names = [name for name in names if name not in elsewhere]
        names.sort(key=lambda name: -mean(self.means(name)))
        header = ["contender", "sets", "mean", "half A", "half B", "median", "mean rank"]
        header += ["spread", "spread under 1.5", "seconds a fit"]
        return table(header, [self.line(name) for name in names])

    def by_set(self):
        """The default and the baselines, set by set."""
        names = [name for name in [SHIPPED, *BASELINES] if self.scores[name]]
        lines = []
        for one in self.sets:
            values = [mean(self.scores[name].get(one, [])) for name in names]
            best = max(value for value in values if value == value)
            cells = [f"**{number(v)}**" if v == best else number(v) for v in values]
            lines.append([one, *cells])
        return table(["set", *names], lines)


def write(rows, document):
    """The tables of every kind of sets, into the document."""
    text = ""
    there = {row["kind"] for row in rows}
    for name in (name for name in PRESETS if name in there):
        for most in sorted({row["rows"] for row in rows if row["kind"] == name}, reverse=True):
            kind = Kind(name, [r for r in rows if r["kind"] == name and r["rows"] == most])
            title = f"{name.capitalize()}, {len(kind.sets)} sets of at most {most:,} rows"
            text += f"## {title}\n\n{kind.table()}\n"
            if kind.scores["knn"]:
                text += f"Set by set:\n\n{kind.by_set()}\n"
    machines = "; ".join(sorted({row["machine"] for row in rows}))
    between_marks(document, f"{machines}.\n\n" + text)
