#!/usr/bin/env bash
# What takes too long for every commit; some hours on two cores. Run scripts/test.sh first: its release build is used.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/phases.sh

# Each file compiled alone: what it includes is complete, and clang-tidy sees it as written.
phase "build: every file alone" bash -c \
  'cmake --preset release -B build/alone -DGPTQ_UNITY=OFF >/dev/null && cmake --build build/alone'
phase "sanitizers, every module" cmake --workflow --preset sanitize
phase "thread sanitizer" cmake --workflow --preset tsan
phase "fuzzing, 10 minutes a target" scripts/fuzz.sh 600
phase "patterns beside Oniguruma" ctest --test-dir build/release -L nightly --output-on-failure
phase "quality at further widths" build/release/tests/quality_test --gtest_filter='DemoQualityFurther.*'
phase "kills and schedules" env GPTQ_STRESS_KILLS=500 GPTQ_STRESS_SCHEDULES=1000 \
  ctest --test-dir build/release -R '^(stress|hub_slow)/' --output-on-failure
# Checkpoints of every kind, with GPTQModel 7 and 5 in both directions; AutoRound's.
phase "interop, every kind" env GPTQ_INTEROP_FULL=1 tests/interop/run.sh build/release/gptq build/release/tests/dump_logits gptqmodel auto_round
