#!/usr/bin/env bash
# Everything from a bare machine to a quantized model that answers: set up, build, quantize the demo, measure, chat.
set -euo pipefail
cd "$(dirname "$0")/.."

gptq=build/release/gptq
out=out/demo-4bit
if [ -x $gptq ]; then
  echo "This takes about a minute on two idle cores. It runs the commands behind \$; paste them, in $PWD." >&2
else
  echo "The first time takes about four minutes on two idle cores; most of it compiles gptq. It runs the commands behind \$;" \
       "paste them, in $PWD." >&2
fi

# Prints a command so that it can be pasted, then runs it.
say() {
  local word line='$'
  for word; do
    [[ $word =~ ^[A-Za-z0-9_./:=,-]+$ ]] || word="'${word//\'/\'\\\'\'}'"
    line+=" $word"
  done
  printf '\n%s\n' "$line"
  "$@"
}

say scripts/setup.sh
say cmake --preset release --log-level=WARNING
say cmake --build --preset release --target gptq
say $gptq inspect models/demo
say $gptq quantize models/demo -o $out --bits 4 --group-size 128 --samples 128 --seqlen 512 \
    --calibration models/demo/calibration.jsonl --force
say $gptq perplexity models/demo --text models/demo/eval.txt --window 512
say $gptq perplexity $out --text models/demo/eval.txt --window 512
say $gptq chat $out -p "How are you today?"
echo
echo "The quantized model is in $out; talk with it: $gptq chat $out"
