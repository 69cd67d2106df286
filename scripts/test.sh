#!/usr/bin/env bash
# Everything from a bare machine to a tested build: test.sh [release|dev]. Sets up; then `release`, the optimised build with every
# test; then `dev`, the modules that read untrusted bytes or use threads again under sanitizers, with a replay of the fuzz
# corpora. Without an argument both. Prints seconds per phase. The longer checks are in scripts/nightly.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/phases.sh

build() { cmake --preset "$1" >/dev/null && cmake --build --preset "$1"; }

phase "set up" scripts/setup.sh
if [ "${1:-release}" = release ]; then
  phase "build: release" build release
  phase "test: release" ctest --preset release
fi
if [ "${1:-dev}" = dev ]; then
  phase "build: dev (sanitizers)" build dev
  phase "test: dev (sanitizers)" ctest --preset dev
fi
