"""Whether an embedding learned by SimCLR helps the model on tables (the paper's appendix A.5).

    QUALM_DATA=DIR python3 bench/study/simclr.py [--rows 2000] [--seeds 3] [--jobs 2]
                                                 [--table-only]

On every set of DIR/table2, or on a seeded sample of a larger one, a small SimCLR is trained
without labels on the same rows that are scored afterwards; the presets of the model are fitted to
the rows and to the embeddings. Labels measure and do nothing else. Runs are kept in
`simclr.parquet` after every embedding and not run again; the tables of `SIMCLR.md` are made from
that file. Needs PyTorch, NumPy, SciPy and PyArrow.
"""

import argparse
import math
import os
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from contender import Contender, between_marks, build, machine, table  # noqa: E402
from paired import paired  # noqa: E402
from sets import auroc, sets, split  # noqa: E402

RESULTS = HERE / "simclr.parquet"

#: How two views of a row differ.
VIEWS = {
    "columns": {"dropped": 0.3, "noise": 0.0},
    "noise": {"dropped": 0.0, "noise": 0.3},
    "both": {"dropped": 0.3, "noise": 0.3},
}

#: Name, the views of its SimCLR (none: the rows themselves), detector and keys.
CONTENDERS = [
    ("rows: default", None, "dum", []),
    ("rows: mlp", None, "dum/mlp", []),
    ("rows: knn", None, "knn", ["space=standardise"]),
]
for _views in VIEWS:
    CONTENDERS += [
        (f"SimCLR ({_views}): default", _views, "dum", []),
        (f"SimCLR ({_views}): with length", _views, "dum", ["scaling=standardise"]),
        (f"SimCLR ({_views}): mlp", _views, "dum/mlp", []),
        (f"SimCLR ({_views}): knn", _views, "knn", ["space=unit"]),
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
    return embedding, (fmean(losses[:tenth]), fmean(losses[-tenth:]))


def study(one, views, fits, binary, arguments):
    """Fits to a set's rows, or to their embedding by one SimCLR."""
    parts = split(one, "mixed", arguments.rows)
    rows, outlier = parts.fitted, parts.outlier
    about = {"set": one.path.stem, "n": len(rows), "d": rows.shape[1], "rows": arguments.rows}
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
            seconds = ours.ask("fit", detector, seed, *keys)["seconds"]
            ours.ask("scores", scores)
            row = {"contender": contender, "seed": seed, "seconds": seconds}
            row["auroc"] = auroc(outlier, np.fromfile(scores, np.float64))
            found.append(about | row)
    return found


def read():
    """The runs so far."""
    return pq.read_table(RESULTS).to_pylist() if RESULTS.exists() else []


def keep(rows):
    """Writes all runs; the file is whole at any time."""
    new = RESULTS.with_suffix(".new")
    pq.write_table(pa.Table.from_pylist(rows), new, compression="zstd")
    new.replace(RESULTS)


def missing(one, views, seed, done, rows):
    """The fits of one embedding that have not been run."""
    for contender, own_views, detector, keys in CONTENDERS:
        if own_views == views and (one.path.stem, contender, rows, seed) not in done:
            yield contender, detector, keys, seed


def measure(arguments):
    """Runs all that is missing, the first seed of every set before the second."""
    if "QUALM_DATA" not in os.environ:
        raise SystemExit("QUALM_DATA names no folder")
    found = sets(os.environ["QUALM_DATA"], "tables")
    found = [one for one in found if one.path.parent.name == "table2"]
    binary, rows = build(), read()
    arguments.machine = machine(1)
    done = {(row["set"], row["contender"], row["rows"], row["seed"]) for row in rows}
    # PyTorch's own threads do not survive a fork.
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        runs = []
        for seed, one, views in product(range(arguments.seeds), found, [None, *VIEWS]):
            if fits := list(missing(one, views, seed, done, arguments.rows)):
                runs.append(pool.submit(study, one, views, fits, binary, arguments))
        for count, each in enumerate(as_completed(runs), 1):
            rows += each.result()
            keep(rows)
            print(f"{each.result()[0]['set']}: {count} of {len(runs)}", flush=True)


def write(rows, path):
    """The tables of a document, from the runs."""
    scores, losses = defaultdict(lambda: defaultdict(list)), defaultdict(list)
    for row in rows:
        scores[row["contender"]][row["set"]].append(100 * row["auroc"])
        if row["first_loss"]:
            losses[row["contender"]].append((row["first_loss"], row["last_loss"]))
    shapes = {row["set"]: f"{row['set']} ({row['n']} x {row['d']})" for row in rows}
    names = sorted(shapes)
    means = {
        contender: [fmean(by_set.get(name, [math.nan])) for name in names]
        for contender, by_set in scores.items()
    }
    plain = CONTENDERS[0][0]
    header = ["contender", "mean AUROC", f"less {plain}: mean", "standard error", "95 % interval"]
    header += ["ahead on", "spread over seeds", "loss, first and last tenth"]
    lines, each = [], []
    for contender in (name for name, *_ in CONTENDERS if name in means):
        own = means[contender]
        line = [contender, f"{fmean(own):.1f}"] + [""] * 4
        if contender != plain:
            apart = paired(a - b for a, b in zip(own, means[plain]))
            line[2:] = [f"{apart.mean:+.1f}", f"{apart.error:.1f}"]
            line += [f"{apart.low:+.1f} to {apart.high:+.1f}", f"{apart.ahead} of {apart.sets}"]
        spreads = [stdev(values) for values in scores[contender].values() if len(values) > 1]
        line.append(f"{fmean(spreads):.1f}" if spreads else "")
        line.append(" to ".join(f"{fmean(loss):.2f}" for loss in zip(*losses[contender])))
        lines.append(line)
        each.append([contender, *(f"{value:.1f}" for value in own)])
    by_set = table(["contender", *(shapes[name] for name in names)], each)
    between_marks(path, f"{table(header, lines)}\n{by_set}\n{rows[0]['machine']}\n")


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
    write([row for row in read() if row["rows"] == arguments.rows], HERE / "SIMCLR.md")


if __name__ == "__main__":
    main()
