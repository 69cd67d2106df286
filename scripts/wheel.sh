#!/usr/bin/env bash
# Builds the wheel of the Python package, adds the shared libraries that it needs besides those of every Linux system, and prints
# its path and its size in bytes: wheel.sh [FOLDER], by default build/dist.
#   PYTHON=python3.12   the interpreter; from 3.12 on the wheel serves all later versions (abi3)
#   CUDAARCHS=90a-real  the GPUs it is built for, instead of all of the package
#   GPTQ_CUDA=OFF       without the CUDA backend (AUTO: if there is nvcc)
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-build/dist}
python=$(scripts/python_tools.sh)
export CXX=${CXX:-c++}  # as the presets name it; Python's own choice would be another compiler for ccache
export CUDAARCHS=${CUDAARCHS:-package} CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}

# Beside the folders of the presets, so that ccache finds what they have compiled.
rm -rf build/wheel build/wheel-files
"$python" -m pip --disable-pip-version-check wheel --quiet --no-deps --no-build-isolation -w build/wheel-files/raw . \
  -C build-dir=build/wheel -C cmake.define.GPTQ_PYTHON_BUNDLE=ON -C cmake.define.GPTQ_CUDA="${GPTQ_CUDA:-AUTO}" >&2
mkdir -p "$folder" build/wheel-files/repaired
PATH=$(dirname "$python"):$PATH "$python" -m auditwheel repair -w build/wheel-files/repaired build/wheel-files/raw/*.whl >&2
name=$(basename build/wheel-files/repaired/*.whl)
mv "build/wheel-files/repaired/$name" "$folder/$name"
echo "$folder/$name $(stat -c %s "$folder/$name")"
