#!/usr/bin/env bash
# Set up dtvideo in a virtual environment. Safe to run again: what is there stays.
#
#   scripts/setup.sh [FOLDER]      default .venv; PYTHON=python3.12 picks another Python
set -euo pipefail
cd "$(dirname "$0")/.."
venv="${1:-.venv}"

say() { printf 'setup: %s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else say "needs root for: $*"; exit 1
    fi
}

install_system() {
    command -v apt-get >/dev/null || { say "please install: $*"; exit 1; }
    say "installing system packages: $*"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

find_python() {
    for candidate in "${PYTHON:-}" python3 python3.11 python3.12 python3.13; do
        if [ -n "$candidate" ] && "$candidate" -c \
            'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
        then echo "$candidate"; return; fi
    done
    return 1
}

if ! python="$(find_python)"; then
    install_system python3 python3-venv
    python="$(find_python)" || { say "Python 3.11 or newer is needed"; exit 1; }
fi

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    "$python" -c 'import ensurepip, venv' 2>/dev/null || install_system python3-venv
    say "creating $venv with $("$python" --version)"
    "$python" -m venv "$venv"
fi

say "installing dtvideo and what it needs (a few minutes the first time)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --constraint constraints.txt --editable '.[dev]'

# Three OpenCV distributions write one folder, cv2; the last one written must not need a screen.
if ! "$venv/bin/python" scripts/screenless_cv2.py; then
    say "replacing cv2 by the build that needs no screen"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --constraint constraints.txt --force-reinstall --no-deps opencv-python-headless
    "$venv/bin/python" scripts/screenless_cv2.py
fi
say "ready: $venv/bin/animate examples/hero.png examples/dance.mp4"
