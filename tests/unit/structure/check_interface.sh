#!/usr/bin/env bash
# The protos follow the lint rules of buf.yaml and break no client of the last release.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
buf=node_modules/.bin/buf
if [[ ! -x $buf ]]; then
  echo "buf is not installed: run deploy/local/install --with-test-tools" >&2
  exit 1
fi
"$buf" lint
"$buf" breaking --against proto/baseline.binpb
# Both must be able to fail: a field that is renamed and numbered anew is found by each of them.
planted=$(mktemp -d)
trap 'rm -rf "$planted"' EXIT
cp -r buf.yaml proto "$planted"
sed -i 's/string display_name = 2;/string displayName = 99;/' "$planted/proto/mgral/v1/pool_service.proto"
if "$buf" lint "$planted" >/dev/null; then
  echo "buf lint accepts a field in camel case" >&2
  exit 1
fi
if "$buf" breaking "$planted" --against proto/baseline.binpb >/dev/null; then
  echo "buf breaking accepts that a field is gone" >&2
  exit 1
fi
