#!/bin/bash
# Makes database.sql and files.tar.xz, what a release left behind:
#   tests/fault/release_0_1/make.sh FOLDER-OF-ITS-BUILD
# The files here were made with release 0.1 (commit 74d93f4), which kept the records of a cycle in
# formats of their own. They hold one pool of drawn images: two finished cycles with a table, a batch
# that was labeled after them, one that is leased, and a third cycle whose worker was killed when
# it began to probe. tests/fault/upgrade_test.cc lets today's code go on from there.
set -euo pipefail
build=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
postgres=$(find /usr/lib/postgresql -name initdb -printf '%h\n' | sort -V | tail -1)
work=$(mktemp -d /tmp/mgral-release-XXXXXX)
run=()
[ "$(id -u)" -ne 0 ] || { run=(runuser -u postgres --); chown postgres "$work"; }
port=54999
export MGRAL_SERVER
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT

cd "$work"
"${run[@]}" "$postgres/initdb" -D data -U postgres -A trust -E UTF8 --locale=C.UTF-8 >/dev/null
"${run[@]}" "$postgres/postgres" -D data -k "$work" -h '' -p $port -F 2>postgres.log &
pids+=("$!")
until "$postgres/pg_isready" -q -h "$work" -p $port; do sleep 0.1; done
database="host=$work port=$port user=postgres dbname=postgres"

# serve: starts the server; MGRAL_FAULT_KILL_AT says where it kills itself.
serve() {
  rm -f ports
  "$build/server/main/mgral-server" --database="$database" --listen=127.0.0.1:0 \
    --metrics_listen= --port_file=ports --image_root=images --artifact_dir=artifacts \
    --threads=1 >>server.log 2>&1 &
  server=$!
  pids+=("$server")
  until [ -s ports ]; do sleep 0.1; done
  MGRAL_SERVER="127.0.0.1:$(awk '$1 == "grpc" { print $2 }' ports)"
}
mgral() { "$build/client/cpp/mgral" "$@"; }

mgral synth --out drawn --images 36 --size 96 --seed 4
mv drawn/images images
serve
mgral pool create shop --coco drawn/annotations.json --profile micro --training-steps 12 \
  --input-size 96 --batch-size 4 --probes 2 --replay-probes 2 --seed 7
mgral register shop --images images --server-path ''
mgral label shop --coco drawn/annotations.json --images images --limit 6 --use validation
mgral label shop --coco drawn/annotations.json --images images --limit 14 --use training
mgral label shop --coco drawn/annotations.json --images images --limit 6 --use validation
for _ in 1 2; do
  mgral cycle start shop --watch
  mgral query shop --size 6 --out batch.json
  batch=$(python3 -c 'import json; print(json.load(open("batch.json"))["name"])')
  mgral label shop --coco drawn/annotations.json --images images --batch "$batch"
done
mgral query shop --size 3 --lease 2h
kill "$server"
wait "$server" || true
export MGRAL_FAULT_KILL_AT=probe:started
serve
mgral cycle start shop
wait "$server" || true

sql() { "$postgres/psql" -XqAt "$database" -c "$1"; }
path() { echo "artifacts/objects/${1:0:2}/$1"; }

# To keep the files small: the weights that a next cycle does not read are left out, and those that
# it does read are rounded to 8 bits of mantissa, which compresses.
for weights in $(sql "SELECT weights_sha256 FROM model WHERE version <> 2"); do
  rm -f "$(path "$weights")"
done
rm -f artifacts/work/cycle-3/*.pt
weights=$(sql "SELECT weights_sha256 FROM model WHERE version = 2")
python3 - "$(path "$weights")" rounded.pt <<'PYTHON'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as source, zipfile.ZipFile(sys.argv[2], "w") as target:
    for item in source.infolist():
        data = bytearray(source.read(item))
        if "/data/" in item.filename and len(data) % 4 == 0:
            data[0::4] = data[1::4] = bytes(len(data) // 4)
        target.writestr(zipfile.ZipInfo(item.filename), bytes(data))
PYTHON
rounded=$(sha256sum rounded.pt | cut -c 1-64)
mkdir -p "$(dirname "$(path "$rounded")")"
rm "$(path "$weights")"
mv rounded.pt "$(path "$rounded")"
sql "UPDATE model SET weights_sha256 = '$rounded' WHERE version = 2"

"$postgres/pg_dump" --inserts --no-owner --no-privileges "$database" | grep -v '^[\]' \
  >"$here/database.sql"
XZ_OPT=-9e tar --sort=name --owner=0 --group=0 -cJf "$here/files.tar.xz" images artifacts
ls -l "$here"
