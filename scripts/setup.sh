#!/usr/bin/env bash
# Installs what the build needs on Debian 12 or Ubuntu 24.04; does nothing when all of it is there.
set -euo pipefail

packages=(g++ cmake ninja-build ccache pkg-config
          libopenblas-dev libpcre2-dev libutf8proc-dev nlohmann-json3-dev
          libcli11-dev libfmt-dev libtomlplusplus-dev libedit-dev libcurl4-openssl-dev libssl-dev zlib1g-dev libzstd-dev
          libgtest-dev libonig-dev
          clang libclang-rt-dev)

if ! command -v apt-get >/dev/null; then
  cat >&2 <<TXT
This system has no apt-get. Please install these by hand (Debian's package names), then run the script again
with GPTQ_SKIP_SETUP=1:

  ${packages[*]}

CMake must be 3.25 or newer and the compiler GCC 12 or newer (C++20).
TXT
  [ "${GPTQ_SKIP_SETUP:-}" = 1 ] && exit 0
  exit 1
fi
[ "${GPTQ_SKIP_SETUP:-}" = 1 ] && exit 0

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

sudo=""
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "Run as root, or install sudo: need to apt-get install ${missing[*]}" >&2; exit 1; }
  sudo=sudo
fi
echo "Installing: ${missing[*]}" >&2
$sudo apt-get update -qq
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
