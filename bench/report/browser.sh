#!/bin/sh
# Opens pages in headless Chromium and checks them: see browser.py. Usage: browser.sh PAGE.html...
#
# Needs a Chromium in the PATH (Debian: apt-get install chromium), Python's venv with PyPI, and npm for
# axe-core. Playwright and axe-core are put under target/browser; without one of them a line says
# 'skipped', and the exit code is 0.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
home=${QUALM_BROWSER:-$here/../../target/browser}
skip() { echo "browser: skipped: $1"; exit 0; }

chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome) \
    || skip "no chromium in the PATH"
mkdir -p "$home"
if ! [ -x "$home/venv/bin/python" ]; then
    python3 -m venv "$home/venv" || skip "no venv of Python"
fi
"$home/venv/bin/python" -c 'import playwright' 2>/dev/null \
    || "$home/venv/bin/pip" install -q 'playwright==1.65.*' || skip "no playwright from PyPI"
axe="$home/axe.min.js"
if ! [ -s "$axe" ]; then
    (cd "$home" && tgz=$(npm pack --silent axe-core@4.14.1) \
        && tar -xzf "$tgz" package/axe.min.js && mv package/axe.min.js axe.min.js) \
        || skip "no axe-core from npm"
fi
CHROMIUM=$chromium AXE=$axe exec "$home/venv/bin/python" "$here/browser.py" "$@"
