#!/usr/bin/env bash
# Creates (or reuses) the Python environment with the packages of python/requirements.txt and prints the path of its python.
set -euo pipefail
cd "$(dirname "$0")/.."
base=$(${PYTHON:-python3} -c 'import sys; print(sys.executable)')
key=$( (echo "$base"; cat python/requirements.txt scripts/python_tools.sh) | sha256sum | cut -c1-12)
venv=${XDG_CACHE_HOME:-$HOME/.cache}/gptq/python-$key

# One installer at a time; a second one waits and then finds the finished environment.
mkdir -p "$venv"
exec 9>"$venv.lock"
command -v flock >/dev/null && flock 9
if [ ! -f "$venv/.ready" ]; then
  {
    "$base" -m venv "$venv"
    "$venv/bin/python" -m pip --disable-pip-version-check install --quiet --no-deps -r python/requirements.txt
    touch "$venv/.ready"
  } >&2
fi
echo "$venv/bin/python"
