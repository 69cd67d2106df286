#!/usr/bin/env bash
# Checks two built programs against the reference Python tools: run.sh GPTQ DUMP_LOGITS [tokenizer|formats|template|logits|packed|quantize|gptqmodel|hub …]
set -euo pipefail
if [ $# -lt 2 ]; then
  echo "usage: $0 GPTQ_BINARY DUMP_LOGITS_BINARY [CHECK...]" >&2
  exit 2
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=$("$here/venv.sh")
exec "$python" "$here/check_all.py" "$@"
