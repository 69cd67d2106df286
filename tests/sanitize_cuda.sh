#!/usr/bin/env bash
# Runs the contract suite's CUDA tests under NVIDIA's memory and race checkers, several processes side by side.
#   tests/sanitize_cuda.sh [BACKEND_TEST] [memcheck|racecheck|synccheck ...]      GPTQ_SHARDS=12 processes
set -euo pipefail

program=${1:-build/release/tests/backend_test}
shift || true
tools=("$@")
[ ${#tools[@]} -gt 0 ] || tools=(memcheck racecheck)
shards=${GPTQ_SHARDS:-12}
command -v compute-sanitizer >/dev/null || { echo "compute-sanitizer is not on the PATH; it is part of the CUDA toolkit" >&2; exit 1; }

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
failed=0
for tool in "${tools[@]}"; do
  start=$SECONDS
  for shard in $(seq 0 $((shards - 1))); do
    GTEST_TOTAL_SHARDS=$shards GTEST_SHARD_INDEX=$shard compute-sanitizer --tool "$tool" --error-exitcode 1 \
      "$program" --gtest_filter='*cuda*:*Cuda*' >"$logs/$tool.$shard" 2>&1 &
  done
  clean=0
  for shard in $(jobs -p); do wait "$shard" && clean=$((clean + 1)) || true; done
  passed=$(cat "$logs/$tool".* | grep -c '^\[       OK \]' || true)
  echo "$tool: $passed tests passed, $clean of $shards processes clean, $((SECONDS - start)) s"
  if [ "$clean" -ne "$shards" ]; then
    failed=1
    grep -hE '^=========|FAILED|Failure' "$logs/$tool".* | grep -v 'COMPUTE-SANITIZER' | head -n 60
  fi
done
exit $failed
