#!/usr/bin/env bash
# What the README and docs/ say of the program is what the program says.
#   check_docs.sh MGRAL_SERVER
set -euo pipefail
server=$1
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
failed=0

table=$(sed -n '/^<!-- options:begin -->$/,/^<!-- options:end -->$/p' README.md | sed '1d;$d')
if ! diff <(printf '%s\n' "$table" | sed '/^$/d') <("$server" options --markdown | sed '/^$/d'); then
  echo "README.md: the option table is not what 'mgral-server options --markdown' prints" >&2
  failed=1
fi

# Every relative link leads to a file.
for page in README.md docs/*.md docs/adr/*.md; do
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
