#!/usr/bin/env python3
"""Puts a generated table between the two marks of a document.

    scripts/paste.py bench/table2/results.md docs/table2.md
"""

import sys
from pathlib import Path

BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->"


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: paste.py TABLE.md DOCUMENT.md")
    table, path = Path(sys.argv[1]), Path(sys.argv[2])
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        sys.exit(f"{path}: has no marks {BEGIN.strip()} and {END}")
    body = table.read_text(encoding="utf-8")
    path.write_text(f"{before}{begin}{body}{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
