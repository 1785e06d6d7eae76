#!/usr/bin/env bash
# Usage: fetch_series.sh mysql-8.0 | mysql-8.4 | mariadb-10.6 | mariadb-11.8
# Unpacks another series of a server with its tools (from Ubuntu's archive) into the cache, beside the system and without
# touching it, and prints where. BKPC_MYSQL=8.0 or BKPC_MARIADB=10.6 then has the tests use it.
# Needs debootstrap, zstd and the network. Ubuntu's signing keys are taken from its own keyring package where that is
# installed; elsewhere the archive is not verified: these programs serve tests alone.
set -euo pipefail
series=${1:-}
case $series in
  mysql-8.0) suite=jammy-updates packages=mysql-server-core-8.0,mysql-client-core-8.0 ;;
  mysql-8.4) suite=questing packages=mysql-server-core,mysql-client-core ;;
  mariadb-10.6) suite=jammy-updates packages=mariadb-server-core-10.6,mariadb-client-core-10.6,mariadb-client-10.6,mariadb-server-10.6,mariadb-backup ;;
  mariadb-11.8) suite=questing packages=mariadb-server-core,mariadb-client-core,mariadb-client,mariadb-server,mariadb-backup ;;
  *) sed -n '2s/^# //p' "$0" >&2; exit 2 ;;
esac
cache=${BKPC_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bkpc}
root=$cache/$series
if [ -e "$root/unpacked" ]; then echo "$root"; exit 0; fi
bash "$(dirname "$0")/need.sh" debootstrap zstd
mkdir -p "$cache"
work=$(mktemp -d "$cache/$series.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "fetching $series from Ubuntu's $suite into $root" >&2
if [ "$(id -u)" -eq 0 ]; then as_root=()
elif command -v fakeroot >/dev/null; then as_root=(fakeroot)
else as_root=(sudo -n)
fi
keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg
verified=(--no-check-gpg)
[ -e "$keyring" ] && verified=(--keyring="$keyring")
mirror=${UBUNTU_MIRROR:-http://archive.ubuntu.com/ubuntu}
if ! "${as_root[@]}" debootstrap --download-only --variant=minbase --components=main,universe --extra-suites="${suite%-updates}" "${verified[@]}" \
    --include="$packages" "$suite" "$work/debootstrap" "$mirror" /usr/share/debootstrap/scripts/jammy >"$work/log" 2>&1
then cat "$work/log" >&2; echo "could not fetch $series from $mirror" >&2; exit 1
fi
mkdir -p "$work/root/bin"
for package in "$work"/debootstrap/var/cache/apt/archives/{lib,zlib,gcc-,"${series%%-*}"}*.deb; do
  dpkg-deb -x "$package" "$work/root"
done
# Where /usr is merged, packages of before still have folders of their own.
for folder in lib lib64; do
  if [ -d "$work/root/$folder" ] && [ ! -L "$work/root/$folder" ]; then cp -a "$work/root/$folder/." "$work/root/usr/$folder/"; fi
done
multiarch=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo "$(uname -m)-linux-gnu")
loader=$(cd "$work/root" && ls usr/lib/"$multiarch"/ld-linux*.so.* | head -n 1)
# wrap NAME FOLDER [OPTIONS]: runs a program with the loader and libraries of its own series.
wrap() {
  local name=$1 folder=$2 options=${3:-}
  [ -e "$work/root/usr/$folder/$name" ] || { echo "$series has no $name" >&2; exit 1; }
  cat >"$work/root/bin/$name" <<WRAPPER
#!/bin/sh
# Runs $name of $series with its own loader and libraries.
root=\$(CDPATH= cd -- "\$(dirname -- "\$0")/.." && pwd)
$([ "$folder" = sbin ] && echo '[ "$1" = --no-defaults ] && shift')
exec "\$root/$loader" --library-path "\$root/usr/lib/$multiarch:\$root/usr/lib/mysql/private" "\$root/usr/$folder/$name" $options "\$@"
WRAPPER
  chmod +x "$work/root/bin/$name"
}
if [ "${series%%-*}" = mysql ]; then
  # Options on the command line of the caller come later and win; --no-defaults counts in the first place only.
  wrap mysqld sbin '--no-defaults --basedir="$root/usr" --lc-messages-dir="$root/usr/share/mysql" --plugin-dir="$root/usr/lib/mysql/plugin"'
  for program in mysqldump mysql mysqlbinlog; do wrap "$program" bin; done
else
  share=usr/share/mysql
  [ -d "$work/root/usr/share/mariadb" ] && share=usr/share/mariadb
  wrap mariadbd sbin '--no-defaults --basedir="$root/usr" --lc-messages-dir="$root/'"$share"'" --plugin-dir="$root/usr/lib/mysql/plugin"'
  for program in mariadb-dump mariadb mariadb-binlog mariadb-backup mbstream my_print_defaults resolveip; do wrap "$program" bin; done
  cat >"$work/root/bin/mariadb-install-db" <<'WRAPPER'
#!/bin/sh
# Fills a data folder with the system tables of its own series.
root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
for one in "$@"; do case $one in --datadir=*) datadir=${one#--datadir=} ;; --user=*) user=$one ;; esac; done
mkdir -p "$datadir/mysql" "$datadir/test"
share=$root/usr/share/mysql prefix=mysql
[ -d "$root/usr/share/mariadb" ] && share=$root/usr/share/mariadb prefix=mariadb
{ echo "use mysql;"; echo "SET @auth_root_socket=NULL;"; echo "SET @skip_auth_anonymous=1;"
  cat "$share/${prefix}_system_tables.sql" "$share/${prefix}_performance_tables.sql" "$share/${prefix}_system_tables_data.sql" \
    "$share/fill_help_tables.sql" "$share/maria_add_gis_sp_bootstrap.sql"
  [ -e "$share/${prefix}_sys_schema.sql" ] && cat "$share/${prefix}_sys_schema.sql"; echo; } |
  "$root/bin/mariadbd" --bootstrap $user --datadir="$datadir" --silent-startup --skip-log-bin --enforce-storage-engine= --net-buffer-length=16M || exit
rmdir "$datadir/test" 2>/dev/null || true
WRAPPER
  chmod +x "$work/root/bin/mariadb-install-db"
fi
for program in "$work"/root/bin/*; do
  case $program in *install-db | *mbstream | *resolveip | *my_print_defaults) ;; *) "$program" --version >/dev/null 2>&1 ;; esac
done
touch "$work/root/unpacked"
# Another run may have been faster: either copy is as good.
mv -T "$work/root" "$root" 2>/dev/null || [ -e "$root/unpacked" ]
echo "$root"
