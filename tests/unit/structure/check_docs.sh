#!/usr/bin/env bash
# The generated parts of docs/ are what the programs print.
#   check_docs.sh MGRAL_SERVER MGRAL
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
docs/reference/generate.py --check "$1" "$2"
