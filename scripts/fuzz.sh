#!/usr/bin/env bash
# Builds the libFuzzer targets of tests/fuzz and runs each one: fuzz.sh SECONDS [TARGET...]
# Inputs found on the way stay in build/fuzz/corpus; an input that fails is named and kept in build/fuzz/findings.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 1 ] || { sed -n 2,3p "$0" >&2; exit 2; }
seconds=$1
shift

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for source in tests/fuzz/*_fuzz.cc; do targets+=("$(basename "$source" .cc)"); done
fi
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target "${targets[@]}"

findings=$PWD/build/fuzz/findings
mkdir -p "$findings"
run() {
  local target=$1 seeds=tests/fuzz/corpus/${1%_fuzz} found=build/fuzz/corpus/${1%_fuzz} log=build/fuzz/$1.log
  mkdir -p "$found"
  [ -d "$seeds" ] || seeds=""
  if build/fuzz/tests/fuzz/"$target" "$found" $seeds -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4096 \
    -artifact_prefix="$findings/$target-" >"$log" 2>&1; then
    echo "$target: $(grep -oE 'Done [0-9]+ runs' "$log" | grep -oE '[0-9]+') inputs in $seconds s, nothing found"
  else
    tail -n 40 "$log"
    echo "$target: FOUND an input, see above and $findings"
    return 1
  fi
}
export -f run
export findings seconds
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'run {}'
