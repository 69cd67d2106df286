#!/usr/bin/env bash
# Everything from a bare machine to a tested build: set up, then the dev preset (sanitizers) and the release preset.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
cmake --workflow --preset dev
cmake --workflow --preset release
