#!/usr/bin/env bash
# Writes constraints.txt, the versions `make setup` installs on Python 3.9, 3.10 and 3.11; needs `uv`.
set -euo pipefail
cd "$(dirname "$0")"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cat > "$scratch/pyproject.toml" <<EOF
[project]
name = "lock"
version = "0"
requires-python = ">=3.9,<3.12"
EOF
uv add -q --project "$scratch" --no-sync -r build.txt -r detector.txt -r dev.txt
{
  echo '# Every version `make setup` installs on Python 3.9, 3.10 and 3.11. Written by compile.sh.'
  uv export -q --project "$scratch" --no-header --no-annotate --no-hashes
} > constraints.txt
