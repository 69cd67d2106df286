#!/usr/bin/env bash
# quantize_bench.sh MODEL [gptq quantize options]: how long does a 7B model take? One table row, from the start of the
# process until every file is closed. A MODEL that is not there is made first, random weights of the Mistral-7B
# shape; CONFIG=FILE takes another shape, LAYERS=N fewer layers, BUILD=DIR another build, GPTQ=FILE another program.
set -euo pipefail
[ $# -ge 1 ] || { sed -n 2,4p "$0" >&2; exit 2; }
model=$1
shift
root=$(cd "$(dirname "$0")/.." && pwd)
build=${BUILD:-$root/build/release}
gptq=${GPTQ:-$build/gptq}
output=$model-quantized

if [ ! -f "$model/config.json" ]; then
  "$build/bench/make_model" "${CONFIG:-$root/bench/configs/mistral-7b.json}" "$model" ${LAYERS:+--layers "$LAYERS"} >&2
fi
rm -rf "$output" "$output.partial"

report=$(mktemp)
samples=$(mktemp)
trap 'rm -f "$report" "$samples"; [ -z "${watcher:-}" ] || kill "$watcher" 2>/dev/null || true' EXIT
if command -v nvidia-smi >/dev/null; then
  nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits -lms 200 >"$samples" 2>/dev/null &
  watcher=$!
fi
start=$(date +%s.%N)
"$gptq" quantize "$model" -o "$output" --json "$@" >"$report"
end=$(date +%s.%N)

field() { grep -m 1 -o "\"$1\": [0-9.e+]*" "$2" | cut -d" " -f2; }  # the first is the whole job's
gigabytes() { awk -v b="$1" 'BEGIN { printf "%.2f GB", b / 1e9 }'; }
gpu="-"
[ ! -s "$samples" ] || gpu=$(sort -n "$samples" | tail -n 1 | awk '{ printf "%.1f GB", $1 * 1.048576 / 1000 }')
echo "| model | layers | options | seconds | of it at work | host memory | GPU memory, other programs included | in | out |"
echo "|---|---|---|---|---|---|---|---|---|"
awk -v a="$start" -v b="$end" -v work="$(field seconds "$report")" -v model="$(basename "$model")" \
  -v layers="$(field num_hidden_layers "$model/config.json")" -v options="${*:-defaults}" \
  -v host="$(gigabytes "$(field peak_bytes "$report")")" -v gpu="$gpu" \
  -v in_bytes="$(gigabytes "$(field bytes_in "$report")")" -v out_bytes="$(gigabytes "$(field bytes_out "$report")")" \
  'BEGIN { printf "| %s | %s | %s | %.1f | %.1f | %s | %s | %s | %s |\n",
           model, layers, options, b - a, work, host, gpu, in_bytes, out_bytes }'
