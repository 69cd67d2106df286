#!/usr/bin/env bash
# Creates (or reuses) a Python environment of the interop tests and prints the path of its python: venv.sh [NAME]
# Without NAME it is that of requirements.txt. With it, requirements-NAME.txt is laid over that one, whose torch is shared.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=${1:-}
key=$(cat "$here"/{requirements.txt,venv.sh,cuda_stubs.py} ${name:+"$here/requirements-$name.txt"} | sha256sum | cut -c1-12)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gptq
if [ -z "$name" ]; then
  venv=${GPTQ_INTEROP_VENV:-$cache/interop-$key}
else
  venv=${GPTQ_INTEROP_VENV:-$cache/interop}-$name-$key
  base=$("${BASH_SOURCE[0]}")
fi
python=$venv/bin/python

if [ -f "$venv/.ready" ]; then
  echo "$python"
  exit 0
fi

# Packages of requirements.txt. The Linux wheel of torch asks for gigabytes of CUDA libraries that a CPU never calls: it is
# installed alone, and the loader gets an empty stand-in for each. Where that does not work, everything is installed.
install_base() {
  grep -v '^torch==' "$here/requirements.txt" >"$venv/requirements.txt"
  "${pip[@]}" -r "$venv/requirements.txt"
  torch=$(grep '^torch==' "$here/requirements.txt")
  "${pip[@]}" --no-deps "$torch"
  if ! "$python" -c 'import torch' 2>/dev/null; then
    "$python" "$here/cuda_stubs.py" || true
    "$python" -c 'import torch' || "${pip[@]}" "$torch"
  fi
  "$python" -c 'import huggingface_hub, numpy, tokenizers, jinja2, safetensors, sentencepiece, tiktoken, torch, transformers'
}

# Packages of requirements-NAME.txt, without what they ask for: all of it is named there, or found in the base environment.
# What has no wheel is built by the environment's own setuptools, without CUDA.
install_over_base() {
  "$base" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
    >"$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/zz_base.pth"
  "${pip[@]}" --no-deps $(grep -E '^(setuptools|wheel)==' "$here/requirements-$name.txt")
  BUILD_CUDA_EXT=0 "${pip[@]}" --no-deps --no-build-isolation -r "$here/requirements-$name.txt"
  "$python" -c "import ${name%%-*}"
}

# One installer at a time; a second one waits and then finds the finished environment.
mkdir -p "$venv"
exec 9>"$venv.lock"
command -v flock >/dev/null && flock 9
if [ ! -f "$venv/.ready" ]; then
  {
    "${PYTHON:-python3}" -m venv "$venv"
    pip=("$python" -m pip --disable-pip-version-check install --quiet)
    if [ -z "$name" ]; then install_base; else install_over_base; fi
    touch "$venv/.ready"
  } >&2
fi
echo "$python"
