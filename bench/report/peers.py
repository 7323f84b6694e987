"""Other programs on the table that `qualm report` is measured on: seconds, megabytes, seconds to open.

    python peers.py --table TABLE.parquet       the table: 100,000 rows of 32 columns (numpy, pyarrow)
    python peers.py TABLE.parquet OUT.html      a report of drift (evidently, pyarrow)
    python peers.py --spotlight TABLE.parquet   Renumics Spotlight, its server (renumics-spotlight)
    python peers.py --fiftyone TABLE.parquet    FiftyOne, its database and server (fiftyone, pyarrow)
    python peers.py --atlas ROWS.parquet        Embedding Atlas (embedding-atlas), of `qualm report --atlas`
    python peers.py --open PAGE.html|URL...     (playwright; CHROMIUM names the browser)

`peers.sh` makes an environment for each and calls all of them. Evidently compares two halves of the
table: its report is of drift, column by column. FiftyOne shows images: every row names the same one.
Programs with a server are ready when it answers; with OPENER, the Python of an environment that has
playwright, they are opened as well. A page of a file is open when it has loaded and drawn two frames,
one of a server when no request has been made for half a second, too.
"""

import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

PORT = 5199
#: How long a server may take, in seconds.
PATIENCE = 300


def table(path):
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(0)
    n, shifted = 100_000, 500
    values = rng.normal(size=(n, 32)).astype(np.float32)
    label = np.zeros(n, dtype=np.int64)
    label[rng.choice(n, shifted, replace=False)] = 1
    values[label == 1, :8] += 3
    columns = {f"f{j}": values[:, j] for j in range(values.shape[1])}
    ids = [f"row-{i}" for i in range(n)]
    pq.write_table(pa.table({"id": ids, **columns, "label": label}), path)


def memory():
    """The largest memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def evidently(table, out):
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    started = time.perf_counter()
    rows = pd.read_parquet(table)
    rows = rows[[name for name in rows.columns if rows[name].dtype.kind == "f"]]
    half = len(rows) // 2
    report = Report([DataDriftPreset()]).run(rows.iloc[half:], rows.iloc[:half])
    report.save_html(out)
    seconds = time.perf_counter() - started
    size = Path(out).stat().st_size / 2**20
    print(f"evidently: {seconds:.1f} s, {memory():.0f} MiB, page of {size:.2f} MiB")


def answers(url):
    """Waits until a server answers."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.05)
    sys.exit(f"{url}: no answer in {PATIENCE} seconds")


def open_elsewhere(url):
    """Opens a page with the Python that has playwright."""
    opener = os.environ.get("OPENER")
    if opener:
        subprocess.run([opener, __file__, "--open", url], check=True)


def tree_memory(pid):
    """What a process and its children hold now, in MiB."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            status = dict(
                line.split(":", 1) for line in (folder / "status").read_text().splitlines()
            )
            parents = {int(folder.name), int(status["PPid"])}
            if pid in parents:
                total += int(status.get("VmRSS", "0 kB").split()[0])
    return total / 1024


def serve(name, command, path):
    """Starts a server, says when it answers, and stops it."""
    started = time.perf_counter()
    # Its output goes to a file: a full pipe would stop it.
    with tempfile.TemporaryFile() as said:
        server = subprocess.Popen(command, stdout=said, stderr=said, stdin=subprocess.DEVNULL)
        try:
            url = f"http://localhost:{PORT}/"
            answers(url)
            seconds = time.perf_counter() - started
            size = Path(path).stat().st_size / 2**20
            print(
                f"{name}: {seconds:.1f} s until its server answers, "
                f"{tree_memory(server.pid):.0f} MiB, file of {size:.1f} MiB",
                flush=True,
            )
            open_elsewhere(url)
        finally:
            server.terminate()
            server.wait()


def spotlight(path):
    script = Path(sys.executable).parent / "spotlight"
    options = ["--port", str(PORT), "--no-browser", "--dtype", "id=str"]
    serve("spotlight", [script, path, *options], path)


def atlas(path):
    script = Path(sys.executable).parent / "embedding-atlas"
    options = ["--x", "projection_x", "--y", "projection_y", "--port", str(PORT), "--no-auto-port"]
    serve("embedding-atlas", [script, path, *options], path)


def fiftyone(path):
    started = time.perf_counter()
    import fiftyone as fo

    imported = time.perf_counter()
    import pyarrow.parquet as pq

    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "one.png"
        from PIL import Image

        Image.new("RGB", (8, 8)).save(image)
        rows = pq.read_table(path).to_pylist()
        # The database starts with the first data set.
        dataset = fo.Dataset("peers", overwrite=True)
        connected = time.perf_counter()
        dataset.add_samples(
            (
                fo.Sample(
                    filepath=str(image), **{"name" if k == "id" else k: v for k, v in r.items()}
                )
                for r in rows
            ),
            num_samples=len(rows),
            progress=False,
        )
        loaded = time.perf_counter()
        session = fo.launch_app(dataset, remote=True, port=PORT)
        answers(f"http://localhost:{PORT}/")
        served = time.perf_counter()
        size = dataset.stats()["samples_bytes"] / 2**20
        print(
            f"fiftyone: import {imported - started:.1f} s, database {connected - imported:.1f} s, "
            f"{len(rows)} samples {loaded - connected:.1f} s, server {served - loaded:.1f} s, "
            f"{memory():.0f} MiB without the database, samples of {size:.1f} MiB",
            flush=True,
        )
        open_elsewhere(f"http://localhost:{PORT}/datasets/peers")
        session.close()
        dataset.delete()


def opened(pages):
    from playwright.sync_api import TimeoutError as NotIdle
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"]
        )
        for path in pages:
            served = path.startswith("http")
            times = []
            for _ in range(5):
                page = browser.new_page(viewport={"width": 1400, "height": 900})
                url = path if served else Path(path).resolve().as_uri()
                started = time.perf_counter()
                page.goto(url, wait_until="load", timeout=120_000)
                idle = True
                if served:
                    try:
                        page.wait_for_load_state("networkidle", timeout=60_000)
                    except NotIdle:
                        idle = False
                frames = "requestAnimationFrame(() => requestAnimationFrame(f))"
                page.evaluate(f"new Promise(f => {frames})")
                times.append(time.perf_counter() - started - (0.5 if served else 0))
                if served and os.environ.get("PICTURE"):
                    page.wait_for_timeout(5000)
                    page.screenshot(path=os.environ["PICTURE"])
                page.close()
                if not idle:
                    print(f"{path}: not idle within a minute")
                    times.clear()
                    break
            if not times:
                continue
            times.sort()
            print(
                f"{path}: opened in {times[2]:.2f} s (median of 5; {times[0]:.2f} to {times[-1]:.2f})"
            )


CALLS = {"--table": table, "--spotlight": spotlight, "--fiftyone": fiftyone, "--atlas": atlas}

if __name__ == "__main__":
    if sys.argv[1] == "--open":
        opened(sys.argv[2:])
    elif sys.argv[1] in CALLS:
        CALLS[sys.argv[1]](sys.argv[2])
    else:
        evidently(*sys.argv[1:3])
