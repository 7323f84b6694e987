"""An Evidently report of a table, for comparison with `qualm report`: seconds, megabytes, seconds to open.

    python peers.py TABLE.parquet OUT.html      (evidently, pyarrow)
    python peers.py --open PAGE.html...         (playwright; CHROMIUM names the browser)

Evidently compares two halves of the table: its report is of drift, column by column. Opening is the time
until the page has loaded and drawn two frames.
"""

import os
import resource
import sys
import time
from pathlib import Path


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
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"evidently: {seconds:.1f} s, {memory:.0f} MiB, page of {Path(out).stat().st_size / 2**20:.2f} MiB")


def opened(pages):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=["--no-sandbox"]
        )
        for path in pages:
            times = []
            for _ in range(5):
                page = browser.new_page(viewport={"width": 1400, "height": 900})
                started = time.perf_counter()
                page.goto(Path(path).resolve().as_uri(), wait_until="load")
                page.evaluate("new Promise(f => requestAnimationFrame(() => requestAnimationFrame(f)))")
                times.append(time.perf_counter() - started)
                page.close()
            times.sort()
            print(f"{path}: opened in {times[2]:.2f} s (median of 5; {times[0]:.2f} to {times[-1]:.2f})")


if __name__ == "__main__":
    if sys.argv[1] == "--open":
        opened(sys.argv[2:])
    else:
        evidently(*sys.argv[1:3])
