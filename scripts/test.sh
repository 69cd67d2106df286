#!/usr/bin/env bash
# Everything from a bare machine to a tested build: set up, the optimised build with every test, then the modules that read
# untrusted bytes or use threads again under sanitizers, with a replay of the fuzz corpora. Prints seconds per phase.
# The longer checks are in scripts/nightly.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/phases.sh

build() { cmake --preset "$1" >/dev/null && cmake --build --preset "$1"; }

phase "set up" scripts/setup.sh
phase "build: release" build release
phase "test: release" ctest --preset release
phase "build: dev (sanitizers)" build dev
phase "test: dev (sanitizers)" ctest --preset dev
