#!/usr/bin/env bash
# Everything from a bare machine to a quantized model that answers: set up, build, quantize the demo, measure, chat.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
cmake --preset release >/dev/null
cmake --build --preset release --target gptq

gptq=build/release/gptq
out=out/demo-4bit
say() { printf '\n$ %s\n' "$*"; "$@"; }

say $gptq inspect models/demo
say $gptq quantize models/demo -o $out --bits 4 --group-size 128 --samples 128 --seqlen 512 \
    --calibration models/demo/calibration.jsonl --force
say $gptq perplexity models/demo --text models/demo/eval.txt --window 512 -q
say $gptq perplexity $out --text models/demo/eval.txt --window 512 -q
say $gptq chat $out -p "How are you today?"
echo
echo "The quantized model is in $out; talk with it: $gptq chat $out"
