#!/bin/sh
# Makes what an installation must keep secret, in a folder that its owner alone can read:
#
#   secrets.sh FOLDER
#
#   keys/<month>.key          seals credentials; the one thing that no backup of the database replaces
#   database/password         of the database user `storelink`
#   broker/users.conf         the broker's users: here one for all roles
#   broker/roles.env          the same user for the roles
#   registry/                 where the registry writes the token of the first tenant's administrator
#   nats/                     where the broker keeps its streams
#   compose.env               what compose.yaml asks for
#
# What is there already stays as it is, so it may be run again.
set -eu
umask 077

[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
mkdir -p "$1"
folder=$(CDPATH='' cd -- "$1" && pwd)
mkdir -p "$folder/keys" "$folder/database" "$folder/broker" "$folder/registry" "$folder/nats"

# random BYTES: as hexadecimal digits, which no file format has to escape.
random() {
    od -An -v -tx1 -N "$1" /dev/urandom | tr -d ' \n'
}

# The first key only: a second one would seal what other processes may not have yet.
if ! ls "$folder"/keys/*.key >/dev/null 2>&1; then
    head -c 32 /dev/urandom | base64 | tr -d '\n' >"$folder/keys/$(date -u +%Y-%m).key"
fi

[ -e "$folder/database/password" ] || random 24 >"$folder/database/password"

if [ ! -e "$folder/broker/users.conf" ] || [ ! -e "$folder/broker/roles.env" ]; then
    password=$(random 24)
    cat >"$folder/broker/users.conf" <<USERS
authorization {
  users = [ { user: storelink, password: "$password" } ]
}
USERS
    cat >"$folder/broker/roles.env" <<ROLES
STORELINK_NATS__USER=storelink
STORELINK_NATS__PASSWORD=$password
ROLES
fi

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
