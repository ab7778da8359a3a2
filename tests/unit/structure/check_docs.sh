#!/usr/bin/env bash
# The generated parts of docs/ are what the programs print.
#   check_docs.sh MGRAL_SERVER MGRAL
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
if ! "$2" --help | grep -qF 'HOST:PORT=127.0.0.1'; then
  echo "SKIPPED: the help is printed by another CLI11 than Debian 12's, whose form the documents have"
  exit 77
fi
docs/reference/generate.py --check "$1" "$2"
