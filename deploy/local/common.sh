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

# Shows ninja's progress with the time that is left: on one line on a terminal, else every 15 s.
# Everything else that it prints, errors above all, passes through.
build_progress() {
  local tty=no
  [[ ! -t 1 ]] || tty=yes
  awk -v tty="$tty" '
    /^\[[0-9]+ [0-9]+ [0-9.]+\] / {
      split(substr($0, 2), field, /[] ]/)
      done = field[1]; total = field[2]; seconds = field[3]
      if (done < total && seconds - shown < (tty == "yes" ? 1 : 15)) next
      shown = seconds
      # The first steps generate sources and tell nothing of the rest.
      rest = seconds * (total - done) / done
      left = done == total || seconds < 10 ? "" : sprintf(", about %d:%02d min to go", rest / 60, rest % 60)
      text = sprintf("  %d of %d steps after %d:%02d min%s", done, total, seconds / 60, seconds % 60, left)
      if (tty == "yes") printf "\r%-70s", text; else print text
      if (tty == "yes" && done == total) printf "\n"
      fflush()
      next
    }
    /^ninja: / { next }
    { if (tty == "yes" && shown) printf "\n"; print; fflush() }'
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
  say "building $* with $jobs jobs: minutes the first time, then only what changed"
  NINJA_STATUS='[%f %t %e] ' cmake --build "$root/build/release" --parallel "$jobs" \
    --target "$@" | build_progress
  say "built"
}
