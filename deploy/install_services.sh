#!/usr/bin/env bash
# What some tests need beside Python, from Debian's packages: Redis, PostgreSQL, Chromium with its driver.
# The tests start and stop the servers themselves; where one is missing they are skipped and say so.
set -euo pipefail
missing=()
command -v redis-server >/dev/null || missing+=(redis-server)
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || missing+=(postgresql)
command -v chromium >/dev/null || missing+=(chromium)
command -v chromedriver >/dev/null || missing+=(chromium-driver)
[ ${#missing[@]} -eq 0 ] && exit 0
echo "installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
as_root=$([ "$(id -u)" -eq 0 ] || echo sudo)
$as_root apt-get update -qq
$as_root apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
