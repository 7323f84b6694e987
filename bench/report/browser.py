"""Checks pages of qualm in headless Chromium; called by browser.sh.

Every page is opened from disk at 390 and 1400 pixels, light and dark. Checked: no message on the
console, no request beside the page itself, no horizontal scrolling, images that load, no serious or
critical finding of axe-core. Tables are sorted and filtered, and the map's points selected, by mouse
and by keyboard. In a frame, as notebooks show pages, links stay on the page. SHOTS=DIR keeps
screenshots.
"""

import os
import sys
import time
from html import escape
from pathlib import Path

from playwright.sync_api import sync_playwright

SIZES = [(390, 844), (1400, 900)]


def fail(page, what):
    raise SystemExit(f"browser: {page}: {what}")


def open_page(context, path):
    """The page, and what it said and asked for."""
    page = context.new_page()
    said, asked = [], []
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda request: asked.append(request.url))
    started = time.perf_counter()
    page.goto(path.resolve().as_uri(), wait_until="load")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page, said, asked, time.perf_counter() - started


def check_images(page, name):
    for image in page.query_selector_all("img"):
        image.scroll_into_view_if_needed()
    page.wait_for_timeout(200)
    broken = page.eval_on_selector_all(
        "img", "images => images.filter(i => !(i.complete && i.naturalWidth > 0)).length"
    )
    if broken:
        fail(name, f"{broken} images are not shown")
    page.evaluate("scrollTo(0, 0)")


def check_axe(page, name, axe):
    # The policy of the page forbids other scripts: the debugger's own evaluation may run them.
    page.evaluate(axe)
    found = page.evaluate("axe.run({resultTypes: ['violations']})")
    bad = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
    for violation in bad:
        print(violation["id"], violation["help"], [n["html"][:160] for n in violation["nodes"][:3]])
    if bad:
        fail(name, f"axe: {', '.join(v['id'] for v in bad)}")


def column(page, table, place):
    return page.eval_on_selector_all(
        f"#{table} tbody tr:not([hidden])",
        f"rows => rows.map(r => r.cells[{place}].dataset.v ?? r.cells[{place}].textContent)",
    )


def check_table(page, name):
    """Sorts and filters the table of the strangest rows, by mouse and by keyboard."""
    table = "top-table"
    if not page.query_selector(f"#{table}"):
        return
    heads = page.eval_on_selector_all(f"#{table} th", "cells => cells.map(c => c.textContent.trim())")
    place = heads.index("score")
    buttons = page.locator(f"#{table} th button")
    buttons.nth(place).click()
    scores = [float(v) for v in column(page, table, place)]
    if scores != sorted(scores):
        fail(name, "a click does not sort")
    buttons.nth(place).focus()
    page.keyboard.press("Enter")
    scores = [float(v) for v in column(page, table, place)]
    if scores != sorted(scores, reverse=True):
        fail(name, "the keyboard does not sort")
    if page.get_attribute(f"#{table} th:nth-child({place + 1})", "aria-sort") != "descending":
        fail(name, "the order is not told")
    filter_ = page.locator(f"[data-filter={table}]")
    if not filter_.count():
        return
    before = len(column(page, table, 0))
    filter_.focus()
    page.keyboard.type("yes")
    after = column(page, table, heads.index("outlier"))
    if not 0 < len(after) <= before:
        fail(name, "the filter shows nothing")
    filter_.fill("")
    if len(column(page, table, 0)) != before:
        fail(name, "rows do not come back")


def check_map(page, name):
    """Selects points by a lasso of the mouse and a box of the keyboard."""
    canvas = page.locator("#map-canvas")
    if not canvas.count():
        return
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    reach = min(box["width"], box["height"]) * 0.45
    page.mouse.move(x - reach, y - reach)
    page.mouse.down()
    for dx, dy in [(1, -1), (1, 1), (-1, 1)]:
        page.mouse.move(x + dx * reach, y + dy * reach, steps=4)
    page.mouse.up()
    status = page.inner_text("#map-status")
    if "selected" not in status or "Nothing" in status:
        fail(name, f"a lasso selects nothing: {status}")
    canvas.focus()
    page.keyboard.press("Escape")
    if "Nothing" not in page.inner_text("#map-status"):
        fail(name, "Escape does not clear")
    for key in ["ArrowUp"] * 12 + ["ArrowLeft"] * 12:
        page.keyboard.press(key)
    for key in ["Shift+ArrowDown"] * 30 + ["Shift+ArrowRight"] * 30:
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    if "Nothing" in page.inner_text("#map-status"):
        fail(name, "the keyboard selects nothing")
    page.click("#map-clear")


def check_frame(context, path):
    """Shows the page as a notebook does, and follows its links, which must stay on it."""
    page = context.new_page()
    page.set_content(
        f'<iframe srcdoc="{escape(path.read_text())}" sandbox="allow-scripts" width="900" height="500">'
    )
    frame = page.frame_locator("iframe")
    links = frame.locator("nav.contents a")
    if links.count():
        links.last.click()
        place = links.last.get_attribute("href").removeprefix("#")
        top = frame.locator(f"[id='{place}']").evaluate("place => place.getBoundingClientRect().top")
        if top > 500:
            fail(path.name, "a link in a frame leads nowhere")
    if page.frames[1].url != "about:srcdoc":
        fail(path.name, f"a link in a frame leads to {page.frames[1].url}")
    if frame.locator("table[data-sortable]").count() and not frame.locator("button.sort").count():
        fail(path.name, "its script does not run in a frame")
    page.close()


def main():
    axe = Path(os.environ["AXE"]).read_text()
    shots = os.environ.get("SHOTS")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ["CHROMIUM"], args=["--no-sandbox"])
        for path in map(Path, sys.argv[1:]):
            slowest = 0
            for scheme in ("light", "dark"):
                for width, height in SIZES:
                    name = f"{path.name}, {scheme}, {width} px"
                    context = browser.new_context(
                        viewport={"width": width, "height": height}, color_scheme=scheme
                    )
                    page, said, asked, seconds = open_page(context, path)
                    slowest = max(slowest, seconds)
                    wide = page.evaluate("document.documentElement.scrollWidth")
                    if wide > width:
                        fail(name, f"{wide} px wide")
                    if width > 1000:
                        check_images(page, name)
                        check_table(page, name)
                        check_map(page, name)
                        check_frame(context, path)
                    check_axe(page, name, axe)
                    others = [u for u in asked if u != path.resolve().as_uri() and not u.startswith("data:")]
                    if said or others:
                        fail(name, f"said {said[:3]}, asked for {others[:3]}")
                    if shots:
                        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
                        page.screenshot(path=f"{shots}/{path.stem}-{scheme}-{width}.png", full_page=True)
                    context.close()
            size = path.stat().st_size
            print(f"browser: {path.name}: ok, {size:,} bytes, opened in {slowest:.2f} s at most")
        browser.close()


if __name__ == "__main__":
    main()
