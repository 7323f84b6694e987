#!/usr/bin/env python3
"""Puts a generated table between the two marks of a document.

    scripts/paste.py bench/table2/results.md docs/table2.md
"""

import sys
from pathlib import Path


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: paste.py TABLE.md DOCUMENT.md")
    table, path = Path(sys.argv[1]), Path(sys.argv[2])
    marks = "<!-- table: begin -->\n", "<!-- table: end -->"
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not (begin and end):
        sys.exit(f"{path}: has no marks {marks[0].strip()} and {marks[1]}")
    body = table.read_text(encoding="utf-8")
    path.write_text(f"{before}{begin}{body}{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
