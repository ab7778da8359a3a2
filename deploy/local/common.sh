# Shared by deploy/local/demo and tests/run. Source it; it defines functions only.
# shellcheck shell=bash

mgral_root() {
  (cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
}

say() { printf '%s %s\n' "$(date +%H:%M:%S)" "$*"; }

# Compilers that see LibTorch take up to 1.5 GB each: as many at once as there are cores and memory.
build_jobs() {
  local cores memory_kb by_memory
  cores=$(nproc)
  memory_kb=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
  by_memory=$((memory_kb / 1500000))
  ((by_memory > 0)) || by_memory=1
  echo $((cores < by_memory ? cores : by_memory))
}

# build TARGET...: configures the release preset and builds the targets ("all" for everything).
build() {
  local root jobs
  root=$(mgral_root)
  jobs=$(build_jobs)
  say "configuring $root/build/release"
  if ! cmake -S "$root" --preset release >"$root/build/configure.log" 2>&1; then
    cat "$root/build/configure.log" >&2
    return 1
  fi
  say "building $* with $jobs jobs (the first time takes minutes; then only what changed)"
  NINJA_STATUS='[%f/%t %es] ' cmake --build "$root/build/release" --parallel "$jobs" \
    --target "$@"
  say "built"
}
