#!/usr/bin/env bash
# server/core configures and builds by itself, with LibTorch and GoogleTest only, and its tests run.
#   check_core_alone.sh BUILD_DIR TEST_REGEX
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
build=$1
tests=$2
# The folder is kept from run to run: only what changed is compiled again.
cmake -S "$root/server/core" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release
cmake --build "$build" --parallel "$(nproc)"
ctest --test-dir "$build" --output-on-failure --no-tests=error -R "$tests"
# Nothing else may have crept into what its libraries link. (LibTorch's own target names protobuf.)
if grep -nE 'absl|grpc|pqxx|spdlog|opencv' "$build/build.ninja" | grep -F ' LINK_LIBRARIES = '; then
  echo "server/core links a library other than LibTorch" >&2
  exit 1
fi
