#!/usr/bin/env bash
# What takes too long for every commit: nightly.sh [BUILD_FOLDER], a release build (build/release without it).
set -euo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/release}

# Checkpoints of every kind, with GPTQModel 7 and 5 in both directions.
GPTQ_INTEROP_FULL=1 tests/interop/run.sh "$build/gptq" "$build/tests/dump_logits" gptqmodel
