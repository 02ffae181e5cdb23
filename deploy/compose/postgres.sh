#!/usr/bin/env bash
#
# Runs once, inside of the PostgreSQL container, when its database is made: gives regcred a role of its own, which owns its
# database and nothing else, and leaves the superuser without a password, so that nobody is him over the network.

set -euo pipefail

# Through a pipe, because arguments can be seen in the list of processes.
{
    printf '\\set password %s\n' "$(<"${LOGIN:-/run/login}/postgres-password")"
    cat <<'SQL'
create role regcred login password :'password';
create database regcred owner regcred;
alter role postgres password null;
SQL
} | psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --username=postgres --dbname=postgres
