#!/usr/bin/env bash
#
# Makes the keyring and the database's password for docker-compose.yml, on its first start. Whatever is there already is
# left as it is: a keyring made anew would open nothing that the old one closed. Each file is written beside its place and
# moved there, so that an interrupted start leaves no half of one.

set -euo pipefail
umask 077

data=${1:-/var/lib/regcred}
login=${2:-/run/login}
readonly data login
readonly regcred=65532 postgres=999 # the users of the two images

# Reads the file from stdin, and gives it to its one reader.
make() {
    local path=$1 owner=$2
    cat >"$path.new"
    chown "$owner:$owner" "$path.new"
    sync "$path.new"
    mv "$path.new" "$path"
    printf 'made %s\n' "$path"
}

if [[ ! -e $data/keyring ]]; then
    keyring=$(regcred keys generate)
    make "$data/keyring" "$regcred" <<<"$keyring"
fi

# Everybody may enter: each file has its own reader.
chmod 0755 "$login"
if [[ ! -e $login/database-url ]]; then
    password=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
    make "$login/postgres-password" "$postgres" <<<"$password"
    # Not encrypted, because the network between the two has nobody else on it and does not leave this machine.
    make "$login/database-url" "$regcred" <<<"postgres://regcred:$password@postgres/regcred?sslmode=disable"
fi
