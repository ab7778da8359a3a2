#!/usr/bin/env bash
# Statements of server/storage name what they read: columns as row["state"], states as
# {image.leased} (server/storage/state_names.h). Migrations are left out: they are SQL of their own, which
# no program numbers states in, and a released one is never edited.
set -euo pipefail
self=$(realpath "${BASH_SOURCE[0]}")
cd "${1:-$(dirname "${BASH_SOURCE[0]}")/../../..}"
found=0
refuse() {  # what it is, pattern
  if grep -rnHE --include='*.cc' --include='*.h' "$2" server/storage; then
    echo "^ $1" >&2
    found=1
  fi
}
refuse 'a column by its number: write row["name"]' 'row\[[0-9]+\]|\]\[[0-9]+\]'
refuse 'a state by its number: write {image.leased} and the like' \
  '\<(state|use) *(=|<>|!=|<|>|<=|>=) *[1-9]|\<(state|use) +(NOT +)?IN *\([0-9]'
# It must be able to fail.
if (($# == 0)); then
  planted=$(mktemp -d)
  trap 'rm -rf "$planted"' EXIT
  mkdir -p "$planted/server/storage"
  while IFS= read -r line; do
    printf '%s\n' "$line" >"$planted/server/storage/planted.cc"
    if "$self" "$planted" >/dev/null 2>&1; then
      echo "not found: $line" >&2
      exit 1
    fi
  done <<'PLANTED'
image.key = row[0].as<int64_t>();
return rows[0][0].as<int>();
WHERE b.state = 1
AND i.state=3
AND state IN (1, 2)
AND c.state NOT IN (3, 4)
AND c.state > 2
AND i.use = 1
SET state = 4
PLANTED
  # shellcheck disable=SC2016
  printf '%s\n' 'row["state"]; rows[0]["key"]; state = {image.leased} AND state = $2 AND g.use = 0' \
    >"$planted/server/storage/planted.cc"
  "$self" "$planted" || { echo "refuses what is right" >&2; exit 1; }
fi
exit "$found"
