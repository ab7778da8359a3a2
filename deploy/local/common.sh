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
# Everything else that it prints, errors above all, passes through. In the shell, for Debian's own
# awk (mawk) would read a whole block of lines before it says anything of the first.
build_progress() {
  local line step total seconds rest left text shown=0 pause=15 tty=no
  if [[ -t 1 ]]; then tty=yes pause=1; fi
  while IFS= read -r line || [[ -n $line ]]; do
    if [[ $line =~ ^\[([0-9]+)\ ([0-9]+)\ ([0-9]+)\.[0-9]*\]\  ]]; then
      step=${BASH_REMATCH[1]} total=${BASH_REMATCH[2]} seconds=${BASH_REMATCH[3]}
      ((step == total || seconds - shown >= pause)) || continue
      shown=$seconds
      # The first steps generate sources and tell nothing of the rest.
      rest=$((seconds * (total - step) / step)) left=
      ((step == total || seconds < 10)) ||
        left=$(printf ', about %d:%02d min to go' $((rest / 60)) $((rest % 60)))
      text=$(printf '  %d of %d steps after %d:%02d min%s' "$step" "$total" \
        $((seconds / 60)) $((seconds % 60)) "$left")
      if [[ $tty == no ]]; then echo "$text"; continue; fi
      printf '\r%-70s' "$text"
      ((step < total)) || echo
    elif [[ $line != "ninja: "* ]]; then
      [[ $tty == no ]] || ((shown == 0)) || echo
      echo "$line"
    fi
  done
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
