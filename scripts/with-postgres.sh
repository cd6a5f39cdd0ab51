#!/usr/bin/env bash
# Runs a command with a PostgreSQL server of its own: with-postgres.sh COMMAND [ARGUMENT...]
#
# DATABASE_URL names an empty database for the command. The server listens on 127.0.0.1 and a free port, keeps its data in
# a temporary folder, and ends with the command. Passwords are not asked for: computing with them is slow where a module is
# interpreted, and the end-to-end tests do it.

set -euo pipefail

if [ $# -eq 0 ]; then
  echo "usage: $0 COMMAND [ARGUMENT...]" >&2
  exit 2
fi
bin=$("$(dirname "${BASH_SOURCE[0]}")/tool.sh" postgresql)
work=$(mktemp -d)
as_user=()
# PostgreSQL refuses to run as root.
if [ "$(id -u)" = 0 ]; then
  chown 65534:65534 "$work"
  as_user=(setpriv --reuid=65534 --regid=65534 --clear-groups)
  if ! "${as_user[@]}" test -x "$bin/postgres"; then
    cp -R "${bin%/bin}" "$work/usr"
    bin=$work/usr/bin
  fi
fi
server() { (cd "$work" && "${as_user[@]}" "$@"); }
trap 'server "$bin/pg_ctl" -D "$work/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

server "$bin/initdb" -D "$work/data" -U todo --auth=trust --locale=C --encoding=UTF8 --no-sync >/dev/null
# A free port can be taken before the server has it: then the next one is tried.
for ((try = 1; ; try++)); do
  port=$((20000 + RANDOM % 10000))
  options="-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories="
  if server "$bin/pg_ctl" -D "$work/data" -o "$options" -l "$work/data/log" -w start >/dev/null; then break; fi
  if ((try == 10)); then
    cat "$work/data/log" >&2
    exit 1
  fi
done

export DATABASE_URL=postgres://todo@127.0.0.1:$port/postgres
"$@"
