#!/usr/bin/env bash
# Runs CUDA tests under NVIDIA's memory and race checkers, each test in a process of its own, several side by side.
#   tests/sanitize_cuda.sh [TEST_PROGRAM] [memcheck|racecheck|synccheck ...]
#   GPTQ_JOBS=14 processes at a time, GPTQ_FILTER='*cuda*:*Cuda*' what to run
set -euo pipefail

program=${1:-build/release/tests/backend_test}
shift || true
tools=("$@")
[ ${#tools[@]} -gt 0 ] || tools=(memcheck racecheck)
command -v compute-sanitizer >/dev/null || { echo "compute-sanitizer is not on the PATH; it is part of the CUDA toolkit" >&2; exit 1; }

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

# check TOOL TEST: one line with the verdict; what was found follows it. Warnings of hazards count as findings.
check() {
  local tool=$1 test=$2 log start=$SECONDS verdict
  log=$logs/$tool.${test//\//_}
  if compute-sanitizer --tool "$tool" --error-exitcode 1 "$program" --gtest_filter="$test" >"$log" 2>&1 &&
    grep -qE 'SUMMARY: 0 (errors|hazards)' "$log"; then
    verdict=clean
    grep -q '^\[  SKIPPED \]' "$log" && verdict=skipped
  else
    verdict=FOUND
  fi
  echo "$tool $verdict $((SECONDS - start)) s $test" | tee "$log.verdict"
  if [ "$verdict" = FOUND ]; then grep -E '^=========|FAILED|Failure' "$log" | grep -v 'COMPUTE-SANITIZER' | head -n 30; fi
}
export -f check
export logs program

"$program" --gtest_list_tests --gtest_filter="${GPTQ_FILTER:-*cuda*:*Cuda*}" |
  sed 's/ *#.*//' | awk '/^[^ ]+\.$/ {suite = $1} /^  / {print suite $1}' >"$logs/tests"
[ -s "$logs/tests" ] || { echo "no test matches" >&2; exit 1; }
for tool in "${tools[@]}"; do
  xargs -a "$logs/tests" -P "${GPTQ_JOBS:-14}" -I{} bash -c "check $tool {}"
done
cat "$logs"/*.verdict | awk '{count[$1 " " $2]++} END {for (key in count) print key ": " count[key]}' | sort
! grep -q FOUND "$logs"/*.verdict
