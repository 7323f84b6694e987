"""From the rows of results.csv to the tables of RESULTS.md."""

from pathlib import Path

HERE = Path(__file__).resolve().parent


def marks(tag):
    """The lines of RESULTS.md between which the tables of one machine stand."""
    name = f"tables {tag}".strip()
    return f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"


KEY = ["d", "h", "covariance", "batch"]


def key(row):
    return tuple(str(row[k]) for k in KEY)


def merged(old, new):
    """The old rows, those of the shapes in `new` replaced."""
    fresh = {}
    for row in new:
        fresh.setdefault(key(row), []).append(row)
    rows = []
    for row in old:
        if key(row) not in fresh:
            rows.append(row)
        elif fresh[key(row)]:
            rows += fresh[key(row)]
            fresh[key(row)] = []
    return rows + [row for group in fresh.values() for row in group]


def typed(rows):
    """Rows of text with their numbers as numbers."""

    def number(text):
        try:
            return float(text) if "." in text or "e" in text else int(text)
        except ValueError:
            return text

    return [{k: number(v) for k, v in row.items()} for row in rows]


def pick(rows, task, contender, key="seconds"):
    return next(r[key] for r in rows if r["task"] == task and r["contender"] == contender)


def ratios(rows, task):
    """Ours against eager and fused PyTorch, and the share of the ceiling that we reach."""
    ours = pick(rows, task, "qualm")
    ceiling = min(pick(rows, task, f"product {name}") for name in ["qualm", "eager"])
    return pick(rows, task, "eager") / ours, pick(rows, task, "fused") / ours, ceiling / ours


def line(rows):
    """One shape in a line, for the terminal."""
    first = rows[0]
    parts = [f"d={first['d']} h={first['h']} {first['covariance']} batch={first['batch']}:"]
    for task, unit in [("train", "steps/s"), ("score", "rows/s")]:
        eager, fused, ceiling = ratios(rows, task)
        speed = 1 / pick(rows, task, "qualm")
        parts.append(
            f"{task} {speed:.0f} {unit}, {eager:.2f}x eager, {fused:.2f}x fused,"
            f" {ceiling:.0%} of ceiling;"
        )
    peaks = [pick(rows, "train", name, "peak_mib") for name in ["qualm", "eager"]]
    parts.append(f"peak {peaks[0]} against {peaks[1]} MiB")
    return " ".join(parts)


def grouped(rows):
    groups = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def table(header, lines):
    text = "| " + " | ".join(header) + " |\n|" + "---:|" * len(header) + "\n"
    return text + "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def tables(rows):
    header = KEY
    train = header + ["steps/s", "eager", "fused", "x eager", "x fused", "of ceiling"]
    train += ["CPU ms", "eager", "peak MiB", "eager"]
    score = header + ["rows/s", "PyTorch", "x PyTorch", "of ceiling"]
    trained, scored = [], []
    for shape, group in grouped(rows).items():
        speeds = [f"{1 / pick(group, 'train', c):,.1f}" for c in ["qualm", "eager", "fused"]]
        eager, fused, ceiling = ratios(group, "train")
        cpu = [f"{1e3 * pick(group, 'train', c, 'cpu_seconds'):.2f}" for c in ["qualm", "eager"]]
        peaks = [f"{pick(group, 'train', c, 'peak_mib'):.0f}" for c in ["qualm", "eager"]]
        comparison = [f"{eager:.2f}", f"{fused:.2f}", f"{ceiling:.0%}"]
        trained.append([*shape, *speeds, *comparison, *cpu, *peaks])
        eager, _, ceiling = ratios(group, "score")
        speeds = [f"{1 / pick(group, 'score', c):,.0f}" for c in ["qualm", "eager"]]
        scored.append([*shape, *speeds, f"{eager:.2f}", f"{ceiling:.0%}"])
    return f"### Training\n\n{table(train, trained)}\n### Scoring\n\n{table(score, scored)}"


def write(rows, machine, tag):
    path = HERE / "RESULTS.md"
    text = path.read_text()
    begin, end = marks(tag)
    if begin not in text:
        text += f"\n## {tag}\n\n{begin}{end}"
    head, rest = text.split(begin)
    tail = rest.split(end)[1]
    notes = (
        f"{machine['cores']} cores, {machine['threads']} threads, {machine['processor']}"
        f" (AVX-512: {'yes' if machine['avx512'] else 'no'}), {machine['memory_gib']} GiB;"
        f" PyTorch {machine['torch']}, {machine['rustc']}; {rows[0]['rounds']} rounds, medians.\n\n"
    )
    path.write_text(head + begin + notes + tables(rows) + end + tail)
