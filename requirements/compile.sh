#!/usr/bin/env bash
# compile.sh [classic|modern]...: writes constraints-NAME.txt, the versions that `make setup`
# installs; needs `uv`. Versions locked before stay, where the requirements still allow it:
# delete the file first to move everything to the newest.
set -euo pipefail
cd "$(dirname "$0")"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
declare -A pythons=([classic]='>=3.9,<3.12' [modern]='>=3.10,<3.15')
[ $# -gt 0 ] || set -- classic modern
for name in "$@"; do
  mkdir -p "$scratch/$name"
  {
    printf '[project]\nname = "lock"\nversion = "0"\nrequires-python = "%s"\n' "${pythons[$name]}"
    echo '[tool.uv]'
    echo 'constraint-dependencies = ['
    [ ! -e "constraints-$name.txt" ] || sed '/^#/d; s/"/'"'"'/g; s/.*/  "&",/' "constraints-$name.txt"
    echo ']'
  } > "$scratch/$name/pyproject.toml"
  uv add -q --project "$scratch/$name" --no-sync -r build.txt -r detector.txt -r dev.txt -r "$name.txt"
  {
    echo "# Every version of the $name set, Python ${pythons[$name]}. Written by compile.sh."
    uv export -q --project "$scratch/$name" --no-header --no-annotate --no-hashes
  } > "$scratch/$name.txt"
  mv "$scratch/$name.txt" "constraints-$name.txt"
done
