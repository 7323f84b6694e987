"""A raw export beside the same table cleaned by hand: how well planted outliers are found.

    python3 bench/messy/customers.py [--qualm target/release/qualm] [--seeds 5] [--rows 5000]

The export (.csv.gz) has names, a running number, ages that are missing in places, countries and
plans as text with missing ones as '?', dates, and amounts as '1,234.50'. One customer in a hundred
is planted: pays like another plan, joined before the plan was sold, or calls support far more
often than its size explains. The table cleaned by hand has numbers alone: what a careful person
would do in a notebook. Both are fitted and scored by the same detectors; AUROC over the planted,
mean and standard deviation over seeds. Needs numpy. Writes `RESULTS.md` between its marks.
"""

import argparse
import csv
import datetime
import gzip
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import contender  # noqa: E402

COUNTRIES = ["Austria", "France", "Germany", "Italy", "Norway", "Spain"]
PLANS = ["free", "basic", "team", "enterprise"]
#: The first day on which each plan was sold, in days since 2020.
SOLD = np.array([0, 0, 700, 1400])
FIRST_DAY = datetime.date(2020, 1, 1)
RAW = ["--missing", "median", "--na", "?", "--encode", "onehot", "--dates", "--thousands", ","]
RAW += ["--id", "name", "--exclude", "number,planted"]


def customers(n, seed):
    """Columns of clean values, and which rows are planted."""
    rng = np.random.default_rng(seed)
    plan = rng.choice(4, n, p=[0.45, 0.3, 0.2, 0.05])
    country = rng.choice(6, n, p=[0.1, 0.2, 0.3, 0.2, 0.05, 0.15])
    day = SOLD[plan] + (rng.beta(1.2, 1.0, n) * (2100 - SOLD[plan])).astype(int)
    seats = 1 + rng.poisson([0.2, 2, 12, 80], (n, 4))[np.arange(n), plan]
    amount = seats * np.array([0.5, 12, 20, 31.5])[plan] * rng.lognormal(0, 0.15, n)
    age = np.clip(rng.normal(41, 11, n), 18, 90)
    tickets = rng.poisson(0.5 + 0.15 * seats)
    planted = np.zeros(n, bool)
    strange = rng.choice(n, n // 100, replace=False)
    planted[strange] = True
    for kind, row in enumerate(strange):
        if kind % 3 == 0:
            other = (plan[row] + rng.integers(1, 4)) % 4
            amount[row] = [2, 60, 400, 4000][other] * rng.lognormal(0, 0.2)
        elif kind % 3 == 1:
            plan[row], seats[row] = 3, 1 + rng.poisson(80)
            amount[row] = seats[row] * 31.5 * rng.lognormal(0, 0.15)
            day[row] = rng.integers(0, 300)
        else:
            tickets[row] = 30 + rng.poisson(3 * seats[row])
    gaps = rng.random(n) < 0.05, rng.random(n) < 0.03
    return {
        "age": age,
        "country": country,
        "plan": plan,
        "day": day,
        "seats": seats,
        "amount": amount,
        "tickets": tickets,
    }, gaps, planted


def write_raw(path, table, gaps, planted):
    """As a shop would export it."""
    header = "name,number,age,country,plan,since,seats,amount,tickets,planted".split(",")
    with gzip.open(path, "wt", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for i in range(len(planted)):
            since = FIRST_DAY + datetime.timedelta(days=int(table["day"][i]))
            writer.writerow(
                [
                    f"customer {i:05}",
                    i,
                    "" if gaps[0][i] else f"{table['age'][i]:.0f}",
                    "?" if gaps[1][i] else COUNTRIES[table["country"][i]],
                    PLANS[table["plan"][i]],
                    since.isoformat(),
                    table["seats"][i],
                    f"{table['amount'][i]:,.2f}",
                    table["tickets"][i],
                    int(planted[i]),
                ]
            )


def write_clean(path, table, gaps, planted):
    """Numbers alone: medians for missing ages, a column for each country and plan, days."""
    age = np.round(table["age"])
    age[gaps[0]] = np.median(age[~gaps[0]])
    country = table["country"].copy()
    country[gaps[1]] = np.bincount(country[~gaps[1]]).argmax()
    columns = {"age": age}
    columns.update({f"country {name}": country == i for i, name in enumerate(COUNTRIES)})
    columns.update({f"plan {name}": table["plan"] == i for i, name in enumerate(PLANS)})
    columns.update(
        days=table["day"],
        seats=table["seats"],
        amount=np.round(table["amount"], 2),
        tickets=table["tickets"],
        planted=planted,
    )
    values = np.column_stack([column.astype(float) for column in columns.values()])
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(values.tolist())


def auroc(scores, planted):
    """The chance that a planted row has the higher score, ties counted half."""
    order = np.argsort(scores, kind="stable")
    values, counts = np.unique(scores[order], return_counts=True)
    ends = np.cumsum(counts)
    rank = ((ends - counts + 1 + ends) / 2)[np.searchsorted(values, scores)]
    n_out = planted.sum()
    return (rank[planted].sum() - n_out * (n_out + 1) / 2) / (n_out * (len(planted) - n_out))


def scores(qualm, folder, table, fit, detector, seed):
    """Fits to a table and scores it."""
    model, out = folder / "m.qualm", folder / "s.csv"
    command = [qualm, "fit", table, "-o", model, "--detector", detector, "--seed", seed, "-q"]
    subprocess.run(list(map(str, [*command, *fit])), check=True)
    thousands = ["--thousands", ","] if "--thousands" in fit else []
    command = [qualm, "score", model, table, "-o", out, "-q", *thousands]
    subprocess.run(list(map(str, command)), check=True)
    with open(out, newline="") as file:
        return np.array([float(row["score"]) for row in csv.DictReader(file)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--qualm", default="target/release/qualm")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=5000)
    options = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw, clean = folder / "export.csv.gz", folder / "clean.csv"
        for seed in range(options.seeds):
            table, gaps, planted = customers(options.rows, seed)
            write_raw(raw, table, gaps, planted)
            write_clean(clean, table, gaps, planted)
            for detector in ["dum", "knn", "ecod", "iforest"]:
                for kind, path, fit in [("raw", raw, RAW), ("clean", clean, ["--exclude", "planted"])]:
                    value = auroc(scores(options.qualm, folder, path, fit, detector, seed), planted)
                    found.setdefault((detector, kind), []).append(100 * value)
                print(seed, detector, *[f"{found[detector, k][-1]:.1f}" for k in ("raw", "clean")])
    lines = []
    for detector in dict.fromkeys(detector for detector, _ in found):
        cells = [found[detector, kind] for kind in ("raw", "clean")]
        shown = [f"{np.mean(c):.1f} ± {np.std(c, ddof=1):.1f}" for c in cells]
        lines.append([f"`{detector}`", *shown, f"{np.mean(np.subtract(*cells)):+.1f}"])
    text = contender.table(["detector", "raw export", "cleaned by hand", "difference"], lines)
    contender.between_marks(HERE / "RESULTS.md", text)


if __name__ == "__main__":
    main()
