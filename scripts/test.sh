#!/usr/bin/env bash
# Everything from a bare machine to a tested build: set up, the dev preset (sanitizers), the release preset, and a short
# run of every fuzz target.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
cmake --workflow --preset dev
cmake --workflow --preset release
scripts/fuzz.sh 20
