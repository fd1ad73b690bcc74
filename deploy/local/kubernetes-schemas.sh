#!/bin/sh
# Prints the folder of the Python package kubernetes-validate with what it needs, for PYTHONPATH.
#
# The package brings the schemas of the Kubernetes API along: rendered objects are checked without a cluster. It
# is taken from the Python package index once, into .tools/. Safe to call from several processes at once: the
# folder appears by an atomic rename.
set -eu

VERSION=1.37.0

root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
packages="$root/.tools/kubernetes-validate-$VERSION"

fail() {
    echo "kubernetes-schemas.sh: $1" >&2
    exit 1
}

if [ ! -d "$packages" ]; then
    command -v python3 >/dev/null 2>&1 || fail "python3 is missing"
    mkdir -p "$root/.tools"
    work=$(mktemp -d "$root/.tools/.kubernetes-validate.XXXXXX") || fail "cannot write to $root/.tools"
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    python3 -m pip install --quiet --disable-pip-version-check --no-warn-script-location --no-compile \
        --target "$work/packages" "kubernetes-validate==$VERSION" >"$work/pip.log" 2>&1 ||
        fail "cannot fetch kubernetes-validate $VERSION with pip: $(tail -n 1 "$work/pip.log")"
    # Of two that fetch at once one comes second, and finds what it wanted.
    mv -T "$work/packages" "$packages" 2>/dev/null || [ -d "$packages" ] || fail "cannot move to $packages"
fi
echo "$packages"
