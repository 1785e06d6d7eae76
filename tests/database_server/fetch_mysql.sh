#!/usr/bin/env bash
# Unpacks MySQL 9 (server and clients of Debian sid) into the cache, beside the system and without touching it.
# Prints nothing when it is there already. Run `.../mysql-sid/bin/mysqld --version` to see it work.
set -euo pipefail
cache=${BKPC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bkpc}
root=$cache/mysql-sid
# Programs that run with Debian sid's own loader and libraries; `wrapped-2` tells that they are of this making.
wrap() {
  local root=$1 multiarch loader program folder extra
  multiarch=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo "$(uname -m)-linux-gnu")
  loader=$(cd "$root" && ls usr/lib/"$multiarch"/ld-linux*.so.* | head -n 1)
  for program in mysqld mysqldump mysql mysqlbinlog mysqladmin; do
    folder=bin
    extra=
    if [ "$program" = mysqld ]; then
      folder=sbin
      # Options on the command line of the caller come later and win; --no-defaults counts in the first place only.
      extra='--no-defaults --basedir="$root/usr" --lc-messages-dir="$root/usr/share/mysql" --plugin-dir="$root/usr/lib/mysql/plugin"'
    fi
    cat >"$root/bin/$program.new" <<WRAPPER
#!/bin/sh
# Runs $program of Debian sid with its own loader and libraries.
root=\$(CDPATH= cd -- "\$(dirname -- "\$0")/.." && pwd)
$([ "$program" = mysqld ] && echo '[ "$1" = --no-defaults ] && shift')
exec "\$root/$loader" --library-path "\$root/usr/lib/$multiarch:\$root/usr/lib/mysql/private" "\$root/usr/$folder/$program" $extra "\$@"
WRAPPER
    chmod +x "$root/bin/$program.new"
    mv "$root/bin/$program.new" "$root/bin/$program"
  done
  touch "$root/wrapped-2"
}
if [ -x "$root/bin/mysqld" ]; then
  [ -e "$root/wrapped-2" ] || wrap "$root"
  exit 0
fi
here=$(dirname "$0")
bash "$here/need.sh" debootstrap zstd
# The mirror this machine's apt already uses; security mirrors carry no sid.
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -v security | head -n 1)
[ -n "$mirror" ] || { echo "apt names no mirror: add one to /etc/apt/sources.list, then run $0 again" >&2; exit 1; }
mkdir -p "$cache"
work=$(mktemp -d "$cache/mysql-sid.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "fetching MySQL 9 from Debian sid into $root" >&2
if [ "$(id -u)" -eq 0 ]; then as_root=()
elif command -v fakeroot >/dev/null; then as_root=(fakeroot)
else as_root=(sudo -n)
fi
if ! "${as_root[@]}" debootstrap --download-only --variant=minbase --include=mysql-server-core,mysql-client-core \
    sid "$work/debootstrap" "$mirror" >"$work/log" 2>&1
then cat "$work/log" >&2; echo "could not fetch MySQL 9 from $mirror" >&2; exit 1
fi
mkdir -p "$work/root/bin"
for package in "$work"/debootstrap/var/cache/apt/archives/{lib,zlib,mysql-}*.deb; do
  dpkg-deb -x "$package" "$work/root"
done
wrap "$work/root"
"$work/root/bin/mysqld" --version >/dev/null
"$work/root/bin/mysqldump" --version >/dev/null
# Another run may have been faster: either copy is as good.
mv -T "$work/root" "$root" 2>/dev/null || [ -x "$root/bin/mysqld" ]
