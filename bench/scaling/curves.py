"""A plot of cost by rows on logarithmic axes, as SVG without any library."""

import math

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 64, 90, 34, 44
# Eleven that stay apart on white and on black.
COLOURS = ["#d62728", "#1f77b4", "#2ca02c", "#ff7f0e", "#9467bd", "#8c564b"]
COLOURS += ["#e377c2", "#7f7f7f", "#a5a519", "#17a2b8", "#5b6ee1"]
GRID = "#9995"


def draw(groups, title, path):
    """One line a detector, its name at its end."""
    lines = {
        detector: [(p["n"], p["fit_seconds"]) for p in points if p["fit_seconds"]]
        for detector, points in groups.items()
    }
    lines = {detector: points for detector, points in lines.items() if points}
    xs = [n for points in lines.values() for n, _ in points]
    ys = [value for points in lines.values() for _, value in points]
    if not xs:
        return
    x = axis(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    bounds = decade(min(ys), math.floor), decade(max(ys), math.ceil)
    y = axis(*bounds, HEIGHT - BOTTOM, TOP)
    parts = [text(LEFT, 20, title, "start", "bold")]
    for value in ticks(*bounds):
        parts.append(rule(LEFT, y(value), WIDTH - RIGHT, y(value)))
        parts.append(text(LEFT - 8, y(value) + 4, f"{value:g} s", "end"))
    for value in ticks(decade(min(xs), math.floor), max(xs)):
        if value >= min(xs):
            parts.append(rule(x(value), TOP, x(value), HEIGHT - BOTTOM))
            parts.append(text(x(value), HEIGHT - BOTTOM + 18, f"{value:,.0f}", "middle"))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "rows", "middle"))
    names = apart({name: y(points[-1][1]) for name, points in lines.items()})
    for (name, points), colour in zip(lines.items(), COLOURS * len(lines)):
        places = " ".join(f"{x(n):.1f},{y(value):.1f}" for n, value in points)
        parts.append(
            f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
        )
        parts += [
            f'<circle cx="{x(n):.1f}" cy="{y(value):.1f}" r="2.6" fill="{colour}"/>'
            for n, value in points
        ]
        parts.append(text(WIDTH - RIGHT + 10, names[name] + 4, name, "start", "normal", colour))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        ' font-family="sans-serif" font-size="12">\n'
    )
    ground = '<rect width="100%" height="100%" fill="#fff"/>\n'
    path.write_text(head + ground + "\n".join(parts) + "\n</svg>\n")


def axis(low, high, start, end):
    """Logarithmic."""
    low, high = math.log10(low), math.log10(high)
    span = max(high - low, 1e-9)
    return lambda value: start + (math.log10(value) - low) / span * (end - start)


def decade(value, rounded):
    return 10.0 ** rounded(math.log10(value))


def ticks(low, high):
    """Powers of ten."""
    return [10.0**k for k in range(round(math.log10(low)), math.floor(math.log10(high) + 1e-9) + 1)]


def apart(places, least=13):
    """Heights for the names, in the order of the lines' ends, none over another."""
    order = sorted(places, key=places.get)
    found, above = {}, -math.inf
    for name in order:
        above = max(places[name], above + least)
        found[name] = above
    low = HEIGHT - BOTTOM
    for name in reversed(order):
        found[name] = min(found[name], low)
        low = found[name] - least
    return found


def rule(x1, y1, x2, y2):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{GRID}"/>'


def text(x, y, words, anchor, weight="normal", colour="#333"):
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}"'
        f' fill="{colour}">{words}</text>'
    )
