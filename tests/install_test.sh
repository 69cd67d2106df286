#!/usr/bin/env bash
# The installed library as C++ programs outside this tree use it: install_test.sh BUILD_FOLDER
# Installs to a folder of its own, builds examples/ there with find_package and one example with pkg-config, and runs them.
set -euo pipefail
build=$1
source=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/first" --component development >/dev/null
mv "$work/first" "$work/prefix" # the tree may be moved
cp -r "$source/examples" "$work/examples"
cmake -S "$work/examples" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_BUILD_TYPE=Debug >/dev/null
cmake --build "$work/build" --parallel 2
"$work/build/hello_generate" "$source/models/demo" "How are you?" | tee "$work/out"
grep -q . "$work/out"

export PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig
# shellcheck disable=SC2046
c++ -std=c++20 "$work/examples/hello_generate.cc" $(pkg-config --cflags --libs gptq) -Wl,-rpath,"$work/prefix/lib" -o "$work/by_pkg_config"
"$work/by_pkg_config" "$source/models/demo" "How are you?" >"$work/again"
diff <(grep -v tokens/s "$work/out") <(grep -v tokens/s "$work/again")
