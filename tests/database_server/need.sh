#!/usr/bin/env bash
# Makes sure that Debian packages are installed: installs them as root or through sudo, else says what to type.
set -euo pipefail
missing=()
for package in "$@"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
command -v apt-get >/dev/null || { echo "missing: ${missing[*]}; install them with your system's package manager" >&2; exit 1; }
if [ "$(id -u)" -eq 0 ]; then as_root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root=(sudo -n)
else echo "missing: ${missing[*]}; run: sudo apt-get install ${missing[*]}" >&2; exit 1
fi
echo "installing ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The packages start no service: tests and the demo run throwaway servers of their own.
if ! { "${as_root[@]}" apt-get update -qq &&
       "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$log" 2>&1
then cat "$log" >&2; echo "could not install ${missing[*]}" >&2; exit 1
fi
