#!/usr/bin/env bash
# debian.sh SUITE FOLDER COMMAND...: run a command in this checkout, inside a minimal Debian that has its own Python.
# It is made in FOLDER at the first call. Needs root on Debian: only CI calls it, for a Python that the machine lacks.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
suite=$1 root=$(realpath --canonicalize-missing "$2")
shift 2

if [ ! -e "$root/etc/is-complete" ]; then
  rm -rf "$root"
  apt-get -qq update
  command -v debootstrap unshare >/dev/null || apt-get -qq install --yes debootstrap util-linux
  mirror=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI)' |
    awk '$1 == "Debian" && $2 == "Debian" { print $3; exit }')
  scripts=/usr/share/debootstrap/scripts # an old debootstrap has none for a suite that came after it
  debootstrap --variant=minbase --include=ca-certificates,make,passwd,python3,python3-venv \
    "$suite" "$root" "$mirror" "$([ -e "$scripts/$suite" ] && echo "$scripts/$suite" || echo "$scripts/sid")"
  cp --dereference /etc/resolv.conf /etc/hosts "$root/etc/"
  cp --dereference /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
  touch "$root/etc/is-complete"
fi

# The mounts are of this process alone: none is left behind, and removing FOLDER removes nothing else.
mkdir -p "$root$PWD"
exec unshare --mount --propagation private bash -c '
  set -euo pipefail
  root=$1 && shift
  mount --bind "$PWD" "$root$PWD"
  mount --bind /proc "$root/proc"
  mount --rbind /dev "$root/dev"
  exec chroot "$root" env --chdir="$PWD" --unset=PIP_FIND_LINKS PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"
' - "$root" "$@"
