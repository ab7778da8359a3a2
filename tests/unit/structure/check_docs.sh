#!/usr/bin/env bash
# What the README and docs/ say of the programs is what the programs say.
#   check_docs.sh MGRAL_SERVER MGRAL
set -euo pipefail
server=$1
client=$2
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
failed=0

if ! docs/reference/generate.py --check "$server" "$client"; then
  failed=1
fi

# Every relative link leads to a file.
for page in *.md docs/*.md docs/*/*.md; do
  while IFS= read -r link; do
    case $link in
      *://* | '#'* | mailto:*) continue ;;
    esac
    if [[ ! -e $(dirname "$page")/${link%%#*} ]]; then
      echo "$page: no such file: $link" >&2
      failed=1
    fi
  done < <(grep -oE '\]\([^) ]+\)' "$page" | sed -E 's/^\]\((.*)\)$/\1/')
done
exit "$failed"
