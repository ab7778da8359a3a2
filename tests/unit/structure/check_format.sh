#!/usr/bin/env bash
# Every C++ file is as clang-format writes it; every script is clean for shellcheck.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
scripts=()
while IFS= read -r file; do
  if [[ $file == *.sh ]] || head -n 1 "$file" | grep -qE '^#!.*\b(ba)?sh\b'; then
    scripts+=("$file")
  fi
done < <(find .ci deploy docker tests -type f -not -path '*/node_modules/*' | sort)
shellcheck --external-sources "${scripts[@]}"
echo "${#scripts[@]} scripts"
if [[ $(clang-format --version) != *"version 14."* ]]; then
  echo "SKIPPED: clang-format is not version 14 (Debian 12's), and each version formats differently"
  exit 77
fi
find server client tests -name '*.h' -o -name '*.cc' | sort | xargs clang-format --dry-run -Werror
