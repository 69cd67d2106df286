#!/usr/bin/env bash
# Creates (or reuses) the Python environment of the interop tests and prints the path of its python on stdout.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
key=$(cat "$here"/{requirements.txt,venv.sh,cuda_stubs.py} | sha256sum | cut -c1-12)
venv=${GPTQ_INTEROP_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/gptq/interop-$key}
python=$venv/bin/python

if [ -f "$venv/.ready" ]; then
  echo "$python"
  exit 0
fi

# One installer at a time; a second one waits and then finds the finished environment.
mkdir -p "$venv"
exec 9>"$venv.lock"
command -v flock >/dev/null && flock 9
if [ ! -f "$venv/.ready" ]; then
  {
    "${PYTHON:-python3}" -m venv "$venv"
    pip=("$python" -m pip --disable-pip-version-check install --quiet)
    grep -v '^torch==' "$here/requirements.txt" >"$venv/requirements.txt"
    "${pip[@]}" -r "$venv/requirements.txt"

    # The Linux wheel of torch asks for gigabytes of CUDA libraries that a CPU never calls: install it alone and give
    # the loader an empty stand-in for each. Where that does not work, install everything.
    torch=$(grep '^torch==' "$here/requirements.txt")
    "${pip[@]}" --no-deps "$torch"
    if ! "$python" -c 'import torch' 2>/dev/null; then
      "$python" "$here/cuda_stubs.py" || true
      "$python" -c 'import torch' || "${pip[@]}" "$torch"
    fi
    "$python" -c 'import huggingface_hub, numpy, tokenizers, jinja2, safetensors, sentencepiece, tiktoken, torch, transformers'
    touch "$venv/.ready"
  } >&2
fi
echo "$python"
