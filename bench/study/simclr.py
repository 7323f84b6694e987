"""Whether an embedding learned by SimCLR helps the model on tables (the paper's appendix A.5).

    QUALM_DATA=DIR python3 bench/study/simclr.py [--rows 2000] [--seeds 3] [--jobs 2]
                                                 [--table-only]

On every set of DIR/table2, or on a seeded sample of a larger one, a small SimCLR is trained
without labels on the same rows that are scored afterwards; the presets of the model are fitted to
the rows and to the embeddings. Labels measure and do nothing else. Runs are kept in
`simclr.parquet` after every embedding and not run again; the tables of `SIMCLR.md` are made from
that file. Needs PyTorch, NumPy and PyArrow.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from contender import Contender, between_marks, build, machine, table  # noqa: E402
from study import Results, read, run  # noqa: E402
from variants import PRESETS  # noqa: E402

RESULTS = HERE / "simclr.parquet"

#: Keys of the model, which start from its default.
DEFAULT, EMBEDDING = {}, PRESETS["embeddings"]
AUTO = {"scaling": "auto", "metric": "auto"}

#: How two views of a row differ.
VIEWS = {
    "columns": {"dropped": 0.3, "noise": 0.0},
    "noise": {"dropped": 0.0, "noise": 0.3},
    "both": {"dropped": 0.3, "noise": 0.3},
}

#: Name, the views of its SimCLR (none: the rows themselves), detector and keys.
CONTENDERS = [
    ("rows: default", None, "dum", DEFAULT),
    ("rows: auto", None, "dum", AUTO),
    ("rows: knn", None, "knn", {"space": "standardise"}),
]
for _views in VIEWS:
    CONTENDERS += [
        (f"SimCLR ({_views}): embedding", _views, "dum", EMBEDDING),
        (f"SimCLR ({_views}): default", _views, "dum", DEFAULT),
        (f"SimCLR ({_views}): knn", _views, "knn", {"space": "unit"}),
    ]

HIDDEN, WIDTH, PROJECTED = 256, 128, 64
BATCH, STEPS = 256, 1000
TEMPERATURE, LEARNING_RATE, WEIGHT_DECAY = 0.5, 1e-3, 1e-6


def standardised(rows):
    """Columns of mean 0 and deviation 1, without the constant ones."""
    rows = rows[:, rows.max(axis=0) > rows.min(axis=0)].astype(np.float64)
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    return rows.astype(np.float32)


def view(torch, batch, rows, dropped, noise, generator):
    """A batch of which each value is dropped with a probability, that is replaced by another
    row's value in its column (as in SCARF), and the others have noise added."""
    other = torch.randint(len(rows), batch.shape, generator=generator)
    others = rows.gather(0, other)
    drop = torch.rand(batch.shape, generator=generator) < dropped
    noisy = batch + noise * torch.randn(batch.shape, generator=generator)
    return torch.where(drop, others, noisy)


def nt_xent(torch, one, two):
    """SimCLR's loss: each projection picks out its other view among all of both batches."""
    both = torch.nn.functional.normalize(torch.cat([one, two]), dim=1)
    similarity = both @ both.T / TEMPERATURE
    similarity.fill_diagonal_(float("-inf"))
    n = len(one)
    other = torch.cat([torch.arange(n, 2 * n), torch.arange(n)])
    return torch.nn.functional.cross_entropy(similarity, other)


def embed(rows, views, seed):
    """Trains a SimCLR on rows: their embeddings before the projection head, `(n, WIDTH)`, and the
    mean loss of the first and the last tenth of the steps."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    rows = torch.from_numpy(standardised(rows))
    n, d = rows.shape
    encoder = nn.Sequential(
        *(nn.Linear(d, HIDDEN), nn.ReLU()),
        *(nn.Linear(HIDDEN, HIDDEN), nn.ReLU()),
        nn.Linear(HIDDEN, WIDTH),
    )
    head = nn.Sequential(
        nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, PROJECTED)
    )
    network = nn.Sequential(encoder, head)
    adam = torch.optim.Adam(network.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    size = min(BATCH, n)
    losses, order = [], torch.empty(0, dtype=torch.int64)
    for _ in range(STEPS):
        if len(order) < size:
            order = torch.randperm(n, generator=generator)
        batch, order = rows[order[:size]], order[size:]
        pair = [network(view(torch, batch, rows, **views, generator=generator)) for _ in range(2)]
        loss = nt_xent(torch, *pair)
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(loss.item())
    with torch.no_grad():
        embedding = encoder(rows).numpy()
    tenth = STEPS // 10
    return embedding, (statistics.fmean(losses[:tenth]), statistics.fmean(losses[-tenth:]))


def study(path, views, fits, binary, arguments):
    """Fits to a set's rows, or to their embedding by one SimCLR."""
    rows, outlier = read([path], arguments.rows)
    about = {"set": path.stem, "n": len(rows), "d": rows.shape[1], "rows": arguments.rows}
    about |= {"outliers": int(outlier.sum()), "machine": arguments.machine}
    about |= {"first_loss": None, "last_loss": None, "embed_seconds": None}
    if views:
        start = time.perf_counter()
        rows, losses = embed(rows, VIEWS[views], fits[0][-1])
        about["embed_seconds"] = time.perf_counter() - start
        about["first_loss"], about["last_loss"] = losses
    found = []
    with tempfile.TemporaryDirectory() as folder, Contender([binary], 1) as ours:
        file, scores = Path(folder, "rows.npy"), Path(folder, "scores.f64")
        np.save(file, rows)
        ours.ask("read", file, "all")
        for contender, detector, keys, seed in fits:
            row = about | {"contender": contender, "detector": detector, "seed": seed}
            row |= {"keys": json.dumps(keys)}
            found.append(row | run(ours, scores, detector, seed, keys, outlier))
    return found


def measure(arguments):
    """Runs all that is missing, the first seed of every set before the second."""
    if "QUALM_DATA" not in os.environ:
        raise SystemExit("QUALM_DATA names no folder")
    paths = sorted(Path(os.environ["QUALM_DATA"], "table2").glob("*.parquet"))
    if not paths:
        raise SystemExit(f"{os.environ['QUALM_DATA']}/table2 has no Parquet file")
    binary, results = build(), Results(RESULTS)
    arguments.machine = machine(1)
    work = []
    for seed, path, views in product(range(arguments.seeds), paths, [None, *VIEWS]):
        fits = [
            (contender, detector, keys, seed)
            for contender, own_views, detector, keys in CONTENDERS
            if own_views == views
            and not any(
                (r["set"], r["contender"], r["rows"], r["seed"])
                == (path.stem, contender, arguments.rows, seed)
                for r in results.rows
            )
        ]
        if fits:
            work.append((path, views, fits))
    # PyTorch's own threads do not survive a fork.
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        runs = [pool.submit(study, *each, binary, arguments) for each in work]
        for each in as_completed(runs):
            results.keep(each.result())
            print(f"{each.result()[-1]['set']}: {len(each.result())} runs", flush=True)


def spread(values):
    """Mean and standard error, as words."""
    error = statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.fmean(values):+.1f} ± {error:.1f}"


def write(rows, path):
    """The tables of a document, from the runs."""
    scores = defaultdict(lambda: defaultdict(list))
    shape, losses = {}, defaultdict(list)
    for row in rows:
        shape[row["set"]] = (row["n"], row["d"], row["outliers"])
        if row["status"] == "ok":
            scores[row["contender"]][row["set"]].append(100 * row["auroc"])
        if row["first_loss"]:
            losses[row["contender"]].append((row["first_loss"], row["last_loss"]))
    means = {
        name: {one: statistics.fmean(values) for one, values in by_set.items()}
        for name, by_set in scores.items()
    }
    names = [name for name, *_ in CONTENDERS if len(means.get(name, ())) == len(shape)]
    plain = names[0]
    lines = []
    for name in names:
        own = means[name]
        apart = [own[one] - means[plain][one] for one in shape]
        seeds = [statistics.stdev(v) for v in scores[name].values() if len(v) > 1]
        ahead = sum(difference > 0 for difference in apart)
        more = ["", ""] if name == plain else [spread(apart), f"{ahead} of {len(apart)}"]
        loss = losses[name] and " to ".join(
            f"{statistics.fmean(x):.2f}" for x in zip(*losses[name])
        )
        whole = f"{statistics.fmean(own.values()):.1f}"
        lines.append([name, whole, *more, f"{statistics.fmean(seeds):.1f}", loss or ""])
    header = ["contender", "mean AUROC", f"less {plain}", "ahead on", "spread over seeds", "loss"]
    text = table(header, lines) + "\n"
    each = [
        [name.replace("SimCLR ", ""), *(f"{means[name][one]:.1f}" for one in sorted(shape))]
        for name in names
    ]
    text += table(["contender", *(f"{one} {shape[one]}" for one in sorted(shape))], each)
    text += f"\n{rows[0]['machine']}\n"
    between_marks(path, text)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=2000, help="of a set at most")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at a time")
    parser.add_argument("--table-only", action="store_true", help="only rewrite SIMCLR.md")
    arguments = parser.parse_args()
    if not arguments.table_only:
        measure(arguments)
    rows = pq.read_table(RESULTS).to_pylist()
    write([row for row in rows if row["rows"] == arguments.rows], HERE / "SIMCLR.md")


if __name__ == "__main__":
    main()
