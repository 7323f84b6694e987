"""Our corruptions beside imagecorruptions: images a second, in turns, in one run.

    python3 bench/corrupt/bench.py [--rounds 5] [--only fog,snow] [--sizes 32,64] [--quick]

Makes a virtual environment with imagecorruptions-imaug and the wheel that `scripts/python.sh
wheel` built. For each corruption and size both sides take turns on the same real images (those of
QUALM_DATA, scaled up where they are small), ours in as many threads as there are cores, theirs in
as many processes, and once more in one process, which is how its users run it. Times are the least
of all rounds. Writes results.csv and the tables of
RESULTS.md.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import contender  # noqa: E402

VENV = HERE / ".venv"
SIZES = {"32": (32, 32), "64": (64, 64), "224": (224, 224), "640": (480, 640)}
# About as many values at every size.
COUNTS = {"32": 1000, "64": 400, "224": 60, "640": 12}


def environment():
    """A Python with the peer and our wheel."""
    python = VENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", HERE / "peer.txt"], check=True)
    wheels = sorted((contender.ROOT / "target" / "wheels").glob("pyqualm-*.whl"))
    if not wheels:
        raise SystemExit("no wheel; run ./scripts/python.sh wheel first")
    install = ["install", "-q", "--force-reinstall", "--no-deps", wheels[-1]]
    subprocess.run([python, "-m", "pip", *install], check=True)
    return python


def images(name):
    """Real images of a size: uint8 (n, height, width, 3)."""
    import io

    import numpy as np
    import pyarrow.parquet as pq
    from PIL import Image

    data = os.environ.get("QUALM_DATA")
    if not data:
        raise SystemExit("skipped: QUALM_DATA names no folder of real images")
    file = "cifar10_test.parquet" if name == "32" else "tinyimagenet_val.parquet"
    column = pq.read_table(Path(data) / "images" / file, columns=["image"])["image"]
    height, width = SIZES[name]
    found = []
    for value in column.slice(0, COUNTS[name]).to_pylist():
        image = Image.open(io.BytesIO(value["bytes"])).convert("RGB")
        found.append(np.array(image.resize((width, height), Image.BICUBIC)))
    return np.stack(found)


def theirs(arguments):
    """Some images damaged by the peer, one after another, as its users do."""
    import imagecorruptions

    batch, kind = arguments
    for image in batch:
        imagecorruptions.corrupt(image, severity=3, corruption_name=kind)
    return len(batch)


def measure(arguments):
    from multiprocessing import Pool
    from time import perf_counter

    import imagecorruptions
    import numpy as np
    import qualm

    cores = os.cpu_count()
    kinds = imagecorruptions.get_corruption_names("all")
    if arguments.only:
        kinds = [kind for kind in kinds if kind in arguments.only.split(",")]
    rows = []
    with Pool(cores) as pool:
        for name in arguments.sizes.split(","):
            batch = images(name)
            shares = np.array_split(batch, cores)
            for kind in kinds:
                # Compiles the peer's loops, and makes our tables and textures.
                pool.map(theirs, [(batch[:1], kind)] * cores)
                qualm.corrupt(batch[:2], kind, severity=3, params="imagenet")
                best = dict.fromkeys(("ours", "theirs", "single"), float("inf"))
                for _ in range(arguments.rounds):
                    start = perf_counter()
                    pool.map(theirs, [(share, kind) for share in shares], chunksize=1)
                    best["theirs"] = min(best["theirs"], perf_counter() - start)
                    start = perf_counter()
                    theirs((batch, kind))
                    best["single"] = min(best["single"], perf_counter() - start)
                    start = perf_counter()
                    qualm.corrupt(batch, kind, severity=3, params="imagenet", n_jobs=cores)
                    best["ours"] = min(best["ours"], perf_counter() - start)
                ratio = best["theirs"] / best["ours"]
                speed = {side: len(batch) / seconds for side, seconds in best.items()}
                single = best["single"] / best["ours"]
                print(
                    f"{name} {kind}: {speed['ours']:.0f}/s, {ratio:.1f}x, {single:.1f}x one process",
                    flush=True,
                )
                rows.append(
                    {
                        "size": name,
                        "kind": kind,
                        "ours_per_second": f"{speed['ours']:.1f}",
                        "theirs_per_second": f"{speed['theirs']:.1f}",
                        "ratio": f"{ratio:.2f}",
                        "ratio_to_one_process": f"{single:.2f}",
                        "cores": cores,
                    }
                )
    return rows


def report(rows):
    """The table of RESULTS.md: speed and ratio by corruption and size."""
    sizes = list(dict.fromkeys(row["size"] for row in rows))
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    of = {(row["size"], row["kind"]): row for row in rows}
    lines = []
    for kind in kinds:
        found = [of[size, kind] for size in sizes]
        cells = [
            f"{float(r['ours_per_second']):,.0f}/s, {float(r['ratio_to_one_process']):.1f}x, "
            f"{float(r['ratio']):.1f}x"
            for r in found
        ]
        lines.append([kind, *cells])
    summary = []
    for size in sizes:
        of_size = [row for row in rows if row["size"] == size]
        words = []
        for column in ("ratio_to_one_process", "ratio"):
            ratios = sorted(float(row[column]) for row in of_size)
            words.append(f"least {ratios[0]:.1f}x, median {ratios[len(ratios) // 2]:.1f}x")
        summary.append("; ".join(words))
    lines.append(["all", *summary])
    table = contender.table(["corruption", *sizes], lines)
    machine = contender.machine(rows[0]["cores"])
    contender.between_marks(HERE / "RESULTS.md", f"{machine}\n\n{table}", "table")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="corruptions, separated by commas")
    parser.add_argument("--sizes", default="32,64,224,640")
    parser.add_argument("--quick", action="store_true", help="one round, nothing written")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.inside:
        return subprocess.call([environment(), __file__, *sys.argv[1:], "--inside"])
    if arguments.quick:
        arguments.rounds = 1
    rows = measure(arguments)
    if not arguments.quick and not arguments.only:
        contender.write_csv(HERE / "results.csv", list(rows[0]), rows)
        report(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
