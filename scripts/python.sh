#!/usr/bin/env bash
# Tests the Python package: builds the wheel (from ccache what the release preset has compiled), installs it in a new environment
# without torch and tests it there, checks the types and the Dockerfile, and repeats the tests that need transformers beside those packages.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/phases.sh
work=build/python-test
hub=$PWD/build/release/tests/local_hub_main  # the server of test_hub.py
if [ -x "$hub" ]; then export GPTQ_LOCAL_HUB=$hub; fi
rm -rf "$work"
mkdir -p "$work"

wheel() {
  tools=$(scripts/python_tools.sh)
  scripts/wheel.sh "$work"
  "$tools" -m pip --disable-pip-version-check wheel --quiet --no-deps --no-build-isolation -w "$work" python/compat
}

environment() {
  "$tools" -m venv "$work/venv"
  python=$work/venv/bin/python
  "$python" -m pip --disable-pip-version-check install --quiet --no-compile "$work"/*.whl -c python/requirements.txt pytest
  ! "$python" -c 'import torch' 2>/dev/null || { echo "torch is in $work/venv, which must do without" >&2; return 1; }
  site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
}

types() {
  "$tools" -m mypy
  MYPYPATH=python "$tools" -m mypy --strict --follow-imports=silent python/compat/auto_gptq
}

# The environment with lm_eval also has transformers and torch.
with_transformers() {
  local base
  base=$(tests/interop/venv.sh lm_eval)
  PYTHONPATH=$site "$base" -m pytest -m transformers -q
}

phase "python: wheel" wheel
phase "python: environment" environment
phase "python: tests without torch" "$work/venv/bin/python" -m pytest -m 'not transformers' -q
phase "python: types" types
phase "Dockerfile" "$(dirname "$tools")/hadolint" Dockerfile
phase "python: tests with transformers and lm_eval" with_transformers
