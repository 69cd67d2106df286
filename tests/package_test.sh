#!/usr/bin/env bash
# package_test.sh TARBALL: unpacked anywhere, the program starts without any environment and takes every library
# from the package or from glibc.
set -euo pipefail
tarball=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tar -xzf "$tarball" -C "$folder"
root=$folder/$(basename "$tarball" .tar.gz)

for file in bin/gptq LICENSE README.md docs models/demo/model.safetensors lib/licenses lib/libopenblas.so.0 \
    share/man/man1/gptq.1 share/man/man1/gptq-quantize.1 share/bash-completion/completions/gptq \
    share/zsh/site-functions/_gptq share/fish/vendor_completions.d/gptq.fish; do
  [ -e "$root/$file" ] || { echo "$tarball lacks $file" >&2; exit 1; }
done

(cd / && env -i "$root/bin/gptq" version)
(cd / && env -i "$root/bin/gptq" generate "$root/models/demo" -p 'It was' -n 4 --device cpu -q >/dev/null)

glibc='^(linux-vdso|ld-linux-x86-64|libc|libm|libmvec|libpthread|libdl|librt|libresolv|libutil)\.so'
env -i ldd "$root/bin/gptq" | while read -r name arrow path _; do
  name=$(basename "$name")
  [[ $name =~ $glibc ]] && continue
  [ "$arrow" = "=>" ] && [[ $path == "$root"/bin/../lib/* || $path == "$root"/lib/* ]] && continue
  echo "$name is not in the package: it resolves to ${path:-nothing}" >&2
  exit 1
done
