#!/usr/bin/env bash
# Builds the image of deploy/Dockerfile where docker, podman or buildah can build, else says that it was skipped.
#
#   image.sh [PROGRAM]     PROGRAM: a built program; without it the shipped one is built, linked statically
#
# Prints the image's name. A program that is linked statically is run in it once, for its version.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$root/Cargo.toml")
revision=$(git -C "$root" rev-parse HEAD 2>/dev/null || echo unknown)
created=$(date -u -d "@${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || date +%s)}" +%Y-%m-%dT%H:%M:%SZ)
image=${IMAGE:-storelink:$version}

# A program that asks for a loader finds none in the image.
is_static() {
    local headers
    headers=$(LC_ALL=C readelf --program-headers "$1") && [[ $headers != *INTERP* ]]
}

# A client without its daemon builds nothing.
builder=""
if docker info >/dev/null 2>&1; then builder=docker
elif podman info >/dev/null 2>&1; then builder=podman
elif command -v buildah >/dev/null 2>&1; then builder=buildah
else
    echo "image: skipped, neither docker (with its daemon), podman nor buildah is here" >&2
    exit 0
fi

program=${1:-}
if [ -z "$program" ]; then
    target=x86_64-unknown-linux-gnu
    [ "$(uname -m)" = aarch64 ] && target=aarch64-unknown-linux-gnu
    variable=CARGO_TARGET_$(echo "$target" | tr 'a-z-' 'A-Z_')_RUSTFLAGS
    echo "image: building the program for $target, linked statically" >&2
    # With a target named, the flag is for the program alone and not for what builds it.
    (cd "$root" && env "$variable=-C target-feature=+crt-static" \
        cargo build --locked --profile dist --target "$target" -p storelink)
    program=$root/target/$target/dist/storelink
    is_static "$program" || { echo "image: $program is not linked statically" >&2; exit 1; }
fi

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
cp "$root/deploy/Dockerfile" "$context/"
install -m 0555 "$program" "$context/storelink"
labels=(--build-arg "VERSION=$version" --build-arg "REVISION=$revision" --build-arg "CREATED=$created")

case $builder in
docker | podman)
    $builder build --quiet --tag "$image" "${labels[@]}" "$context" >&2
    if is_static "$program"; then
        $builder run --rm --read-only --network none "$image" --version >&2
    fi
    ;;
buildah)
    # Without a container runtime and without mounting file systems: works inside of containers, too.
    storage=(--storage-driver "${STORAGE_DRIVER:-vfs}")
    buildah "${storage[@]}" bud --quiet --isolation chroot --tag "$image" "${labels[@]}" "$context" >&2
    if is_static "$program"; then
        container=$(buildah "${storage[@]}" from --pull-never "localhost/$image")
        trap 'buildah "${storage[@]}" rm "$container" >/dev/null; rm -rf "$context"' EXIT
        buildah "${storage[@]}" run --isolation chroot "$container" -- /storelink --version >&2
    fi
    ;;
esac
echo "$image"
