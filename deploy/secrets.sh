#!/bin/sh
# Makes what an installation must keep secret, in a folder that its owner alone can read:
#
#   secrets.sh FOLDER
#
#   keys/<month>.key          seals credentials; the one thing that no backup of the database replaces
#   database/password         of the database user `storelink`
#   broker/server/users.conf  the broker's users, one for each role: public keys and permissions
#   broker/roles/<role>.nk    seed of a role's user; administrator.nk is the one that makes streams
#   broker/publishers/        public keys of systems that publish: `storelink publishers add`
#   registry/                 where the registry writes the token of the first tenant's administrator
#   nats/                     where the broker keeps its streams
#   compose.env               what compose.yaml asks for
#
# The program writes the broker's users: $STORELINK_PROGRAM, one that was built here (by `make image`, too), or
# the one on PATH. Keys that are there already stay as they are, so it may be run again; with a new release it
# brings the users' permissions up to date.
set -eu
umask 077

[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

# The program that knows the roles.
program() {
    for candidate in "${STORELINK_PROGRAM:-}" "$root"/target/*/dist/storelink "$root"/target/dist/storelink \
        "$root"/target/release/storelink "$root"/target/debug/storelink "$(command -v storelink || true)"; do
        if [ -x "$candidate" ] && [ -f "$candidate" ]; then
            echo "$candidate"
            return
        fi
    done
    echo "$0: no storelink program: build one (make image), or name one in STORELINK_PROGRAM" >&2
    return 1
}

storelink=$(program)
mkdir -p "$1"
folder=$(CDPATH='' cd -- "$1" && pwd)
mkdir -p "$folder/keys" "$folder/database" "$folder/registry" "$folder/nats"

# random BYTES: as hexadecimal digits, which no file format has to escape.
random() {
    od -An -v -tx1 -N "$1" /dev/urandom | tr -d ' \n'
}

# The first key only: a second one would seal what other processes may not have yet.
if ! ls "$folder"/keys/*.key >/dev/null 2>&1; then
    head -c 32 /dev/urandom | base64 | tr -d '\n' >"$folder/keys/$(date -u +%Y-%m).key"
fi

[ -e "$folder/database/password" ] || random 24 >"$folder/database/password"

"$storelink" broker users write --dir "$folder/broker" >&2

# The containers run as whoever may read these files; never as root.
user=$(id -u):$(id -g)
if [ "$(id -u)" = 0 ]; then
    user=10001:10001
    chown -R "$user" "$folder"
fi
cat >"$folder/compose.env" <<COMPOSE
STORELINK_FOLDER=$folder
STORELINK_USER=$user
COMPOSE

echo "$folder is ready; keep a copy of $folder/keys apart from the database's backup." >&2
