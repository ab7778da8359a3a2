# A Docker engine and the images that the test needs, on machines with and without a registry.
# Source it after deploy/local/common.sh; it defines functions only.
# shellcheck shell=bash

docker_program=docker
base=debian:bookworm-slim

docker() { command "$docker_program" "$@"; }

# engine_up FOLDER: uses the engine that answers, else starts a private one with its data in FOLDER.
# Sets docker_program, and DOCKER_HOST for a private engine. Needs root.
engine_up() {
  local folder=$1
  if docker version >/dev/null 2>&1; then
    say "using the Docker engine that runs here"
    return
  fi
  # Debian's own client: another one in PATH may not suit Debian's engine.
  docker_program=/usr/bin/docker
  mkdir -p "$folder"
  export DOCKER_HOST=unix://$folder/docker.sock
  if docker version >/dev/null 2>&1; then
    say "using the private engine in $folder"
    return
  fi
  say "starting a private Docker engine in $folder"
  write_runtime "$folder/runtime"
  setsid dockerd --host "$DOCKER_HOST" --data-root "$folder/data" --exec-root "$folder/exec" \
    --pidfile "$folder/docker.pid" --add-runtime "mgral=$folder/runtime" \
    --default-runtime mgral >"$folder/dockerd.log" 2>&1 </dev/null &
  for _ in $(seq 120); do
    if docker version >/dev/null 2>&1; then return; fi
    sleep 0.5
  done
  tail -n 20 "$folder/dockerd.log" >&2
  return 1
}

# runc, but for machines without CAP_SYS_RESOURCE: they may not lower a process's OOM score.
write_runtime() {
  cat >"$1" <<'RUNTIME'
#!/usr/bin/python3
import json, os, sys
arguments = sys.argv[1:]
if "create" in arguments and "--bundle" in arguments:
    path = os.path.join(arguments[arguments.index("--bundle") + 1], "config.json")
    with open(path) as file:
        config = json.load(file)
    if (config.get("process", {}).get("oomScoreAdj") or 0) < 0:
        config["process"]["oomScoreAdj"] = 0
        with open(path, "w") as file:
            json.dump(config, file)
os.execv("/usr/sbin/runc", ["runc"] + arguments)
RUNTIME
  chmod +x "$1"
}

# engine_down FOLDER: stops the private engine, if there is one, and removes its data.
engine_down() {
  local folder=$1 pid
  [[ -f $folder/docker.pid ]] || return 0
  pid=$(<"$folder/docker.pid")
  # After a restart of the machine the number may be somebody else's.
  if grep -qzF -- "$folder/data" "/proc/$pid/cmdline" 2>/dev/null; then
    kill "$pid"
    for _ in $(seq 120); do
      [[ -d /proc/$pid ]] || break
      sleep 0.5
    done
    if [[ -d /proc/$pid ]]; then
      say "the engine in $folder does not stop: process $pid" >&2
      return 1
    fi
  fi
  rm -rf "$folder"
}

# base_image FOLDER: sets base to debian:bookworm-slim from a registry or, where none is reached, to an
# image of the same made out of the packages that this machine itself installs from.
base_image() {
  local folder=$1 source
  base=debian:bookworm-slim
  if docker image inspect "$base" >/dev/null 2>&1; then return; fi
  if timeout 120 "$docker_program" pull -q "$base" >/dev/null 2>&1; then return; fi
  base=mgral-test-base
  if docker image inspect "$base" >/dev/null 2>&1; then return; fi
  say "no registry is reached: making the base image with debootstrap"
  source=$(awk '/^URIs:/ { print $2; exit }' /etc/apt/sources.list.d/*.sources 2>/dev/null ||
    awk '/^deb / { print $2; exit }' /etc/apt/sources.list)
  mkdir -p "$folder"
  debootstrap --variant=minbase --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    bookworm "$folder/root" "$source" >"$folder/debootstrap.log" 2>&1
  # Authorities that this machine trusts besides Debian's: its package index may need them.
  cp -r /usr/local/share/ca-certificates "$folder/root/usr/local/share/"
  rm -rf "$folder"/root/var/cache/apt/*.bin "$folder"/root/var/cache/apt/archives/*.deb \
    "$folder"/root/var/lib/apt/lists/* "$folder"/root/usr/share/{doc,man,locale}/*
  tar -C "$folder/root" -c . |
    docker import --change 'CMD ["bash"]' - "$base" >/dev/null
  rm -rf "$folder"
}

# stand_in VARIABLE IMAGE DOCKERFILE: exports VARIABLE=IMAGE when a registry gives it, else the name
# of an image built from DOCKERFILE here.
stand_in() {
  local variable=$1 image=$2 dockerfile=$3 name
  if docker image inspect "$image" >/dev/null 2>&1 ||
    timeout 120 "$docker_program" pull -q "$image" >/dev/null 2>&1; then
    export "$variable=$image"
    return
  fi
  name=mgral-test-$(basename "$dockerfile" .Dockerfile)
  say "no registry is reached: $name stands in for $image"
  DOCKER_BUILDKIT=1 docker build -q -t "$name" --build-arg BASE="$base" - <"$dockerfile" >/dev/null
  export "$variable=$name"
}
