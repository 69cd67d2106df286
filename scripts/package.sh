#!/usr/bin/env bash
# Builds and checks the relocatable package; prints its path and its size in bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --workflow --preset package >&2
package=$(ls -t build/package/gptq-*.tar.gz | head -n 1)
tests/package_test.sh "$package" >&2
echo "$package $(stat -c %s "$package")"
