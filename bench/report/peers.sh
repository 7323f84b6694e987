#!/bin/sh
# `qualm report` beside other programs on one table: see peers.py. Usage: peers.sh QUALM
#
# QUALM is the binary. An environment for each program, the table and all files are under
# target/peers (or $PEERS); Chromium, Python's venv and PyPI are needed. A program that does not install
# or run is named, and the others go on.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
qualm=$1
home=${PEERS:-$here/../../target/peers}
mkdir -p "$home"
has() {
    name=$1; shift
    [ -x "$home/$name/bin/python" ] || python3 -m venv "$home/$name"
    "$home/$name/bin/pip" install -q "$@" || { echo "$name: does not install"; return 1; }
}
run() { "$home/$1/bin/python" "$here/peers.py" "$2" "$3" || echo "$1: does not run"; }

has playwright 'playwright==1.65.*' numpy pyarrow
OPENER=$home/playwright/bin/python
export OPENER
[ -s "$home/t.parquet" ] || "$OPENER" "$here/peers.py" --table "$home/t.parquet"
"$qualm" fit "$home/t.parquet" --id id --label label -o "$home/m.qualm" --detector ecod --quiet
for map in pca umap; do
    started=$(date +%s.%N)
    "$qualm" report "$home/m.qualm" "$home/t.parquet" --label label --map $map --force --quiet \
        --atlas "$home/rows.parquet" -o "$home/$map.html"
    echo "qualm report --map $map: $(echo "$(date +%s.%N) - $started" | bc) s"
done
"$OPENER" "$here/peers.py" --open "$home/pca.html" "$home/umap.html"
has spotlight renumics-spotlight && run spotlight --spotlight "$home/t.parquet"
has fiftyone fiftyone pyarrow && run fiftyone --fiftyone "$home/t.parquet"
has atlas embedding-atlas && run atlas --atlas "$home/rows.parquet"
cat /proc/loadavg
