#!/usr/bin/env bash
# Installs the agent from the pinned requirements on a Debian for 64-bit ARM, as on a Raspberry Pi, and replays some
# seconds of a bundled recording there. The machine is emulated: needs root, debootstrap and qemu-user-static, two
# gigabytes and patience. What it makes stays in build/aarch64 (AARCH64 names another folder), so that another run is
# quicker; packages come from where this machine's own apt and pip take theirs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folder=${AARCH64:-build/aarch64}
python=${PYTHON:-.venv/bin/python}
pip=${PIP:-python3 -m pip}
root=$folder/root
# A car comes at 13 s. Each look of the detector takes the emulated processor a minute or more: five must do.
from=10 until=20
kernel=/proc/sys/fs/binfmt_misc

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'aarch64: %s\n' "$*" >&2; exit 1; }

[ "$(id -u)" -eq 0 ] || fail "needs root, for chroot: run it with sudo"
for program in debootstrap qemu-aarch64-static chroot; do
  command -v "$program" >/dev/null || fail "$program is missing: install debootstrap and qemu-user-static"
done

undo=()
at_end() { for ((i = ${#undo[@]} - 1; i >= 0; i--)); do eval "${undo[$i]}" || true; done; }
trap at_end EXIT

if [ ! -e "$kernel/qemu-aarch64" ]; then
  if [ ! -e "$kernel/register" ]; then
    mount -t binfmt_misc none "$kernel" || fail "the kernel does not let binfmt_misc be mounted here"
    undo+=("umount $kernel")
  fi
  cat /usr/lib/binfmt.d/qemu-aarch64.conf > "$kernel/register" || fail "the kernel does not take qemu for ARM programs"
  undo+=("echo -1 > $kernel/qemu-aarch64")
fi

mkdir -p "$folder"
if [ ! -e "$root/.complete" ]; then
  # shellcheck disable=SC1091
  suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
  # shellcheck disable=SC2016
  mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' "Codename: $suite" | head -n 1)
  [ -n "$mirror" ] || fail "apt names no source of $suite here: run apt-get update"
  say "Debian $suite for arm64"
  rm -rf "$root"
  debootstrap --foreign --arch=arm64 --variant=minbase --include=python3-venv,python3-pip "$suite" "$root" "$mirror" \
    > "$folder/debootstrap.log"
  chroot "$root" /debootstrap/debootstrap --second-stage >> "$folder/debootstrap.log"
  touch "$root/.complete"
fi
# Not /sys: it tells of this machine's processor, and a library that believes it to be the emulated one's crashes.
if ! mountpoint -q "$root/proc"; then
  mount --bind -o ro /proc "$root/proc"
  undo+=("umount $root/proc")
fi
chroot "$root" /usr/bin/python3 -c 'import platform; print(platform.machine(), "Python", platform.python_version())'

say "wheels for it"
version=$(chroot "$root" /usr/bin/python3 -c 'import sys; print("%d%d" % sys.version_info[:2])')
mkdir -p "$root/wheels"
rm -f "$root"/wheels/clearway-*.whl
platforms=()
for glibc in 17 24 26 27 28 31 34 35 36; do platforms+=(--platform "manylinux_2_${glibc}_aarch64"); done
$pip download --quiet --require-hashes --no-deps --only-binary=:all: -r requirements/agent.txt -d "$root/wheels" \
  --implementation cp --python-version "$version" --abi "cp$version" --abi abi3 --abi none \
  --platform manylinux2014_aarch64 "${platforms[@]}"
$pip --python "$python" wheel --quiet --no-deps --no-build-isolation -w "$root/wheels" .
cp requirements/agent.txt "$root/wheels/"

say "installing there"
inside=/opt/clearway/bin
[ -x "$root$inside/python" ] || chroot "$root" /usr/bin/python3 -m venv /opt/clearway
chroot "$root" "$inside/pip" install --quiet --no-index --find-links /wheels --require-hashes -r /wheels/agent.txt
chroot "$root" sh -c "$inside/pip install --quiet --no-index --no-deps --force-reinstall /wheels/clearway-*.whl"
chroot "$root" "$inside/pip" list 2>/dev/null | grep -E '^(clearway|av|grpcio|numpy|onnxruntime|opencv|shapely)'
chroot "$root" "$inside/clearway-agent" --version

say "seconds $from to $until of the bundled kerb, there and here"
mkdir -p "$root/try"
"$python" tests/aarch64/some_seconds.py config/demo/P1_kerb_parking.mp4 "$root/try/kerb.mp4" "$from" "$until"
cat > "$root/try/agent.yaml" <<'YAML'
id: box-1
threads: 1
cameras:
  - id: kerb
    source: kerb.mp4
    start_time: 2026-05-12T10:20:00+08:00
    period_s: 2
    detection: {tiles: 'off'}
    zones:
      - id: no-parking
        scenario: parking
        polygon: [[213.8, 377.2], [681.9, 197.1], [611.5, 183.3], [141.4, 335.5]]
        dwell_limit_s: {vehicle: 2}
YAML
replay() { time "$@" replay --config "$try/agent.yaml" --json > "$root/try/$name.jsonl"; }
try=/try name=aarch64 replay chroot "$root" "$inside/clearway-agent"
try=$root/try name=here replay "$python" -m edge_agent.cli
cut -c1-300 "$root/try/aarch64.jsonl"
"$python" tests/aarch64/same_events.py "$root/try/aarch64.jsonl" "$root/try/here.jsonl"
