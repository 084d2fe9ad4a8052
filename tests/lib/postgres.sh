# shellcheck shell=bash
# A private PostgreSQL server: it listens on loopback only, asks for a password, and lies in one folder.

# A request for TLS, which every server answers with one letter before it asks who we are.
postgres_greeting='\0\0\0\10\4\322\26\57'

postgres_is_installed() { [ -n "$(postgres_programs)" ]; }

# Debian keeps the programs of each version in a folder of their own, outside the PATH.
postgres_programs() {
    local initdb
    initdb=$(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort --version-sort | tail -n 1)
    [ -x "$initdb" ] || initdb=$(command -v initdb) || return 0
    dirname "$initdb"
}

# start_postgres FOLDER: returns when the server answers; FOLDER/url then says where.
start_postgres() {
    local folder=$1 port password
    port=$(free_port)
    password=$(od -A n -N 16 -t x1 /dev/urandom | tr -d ' \n')
    mkdir "$folder"
    (umask 077 && echo "$password" >"$folder/password")
    echo "postgres://pomost:$password@127.0.0.1:$port/postgres" >"$folder/url"
    [ "$(id -u)" != 0 ] || chown -R postgres "$folder"
    if ! create_and_start_postgres >"$folder.log" 2>&1; then
        tail -n 30 "$folder.log" "$folder/server.log" >&2 2>/dev/null || true
        fail "PostgreSQL did not start on port $port: its last words are above."
    fi
}

create_and_start_postgres() {
    postgres_program initdb --pgdata data --username pomost --pwfile password --auth scram-sha-256 \
        --encoding UTF8 --locale C.UTF-8 --no-sync &&
        postgres_program pg_ctl start --pgdata data --log server.log --wait --timeout 120 \
            --options "-h 127.0.0.1 -p $port -k '' -c max_connections=300"
}

# stop_postgres FOLDER: the server ends at once.
stop_postgres() {
    local folder=$1
    [ ! -e "$folder/data/postmaster.pid" ] || postgres_program pg_ctl stop --pgdata data --mode immediate >/dev/null
}

# The server refuses to run as root.
postgres_program() {
    local as_postgres=()
    [ "$(id -u)" != 0 ] || as_postgres=(setpriv --reuid postgres --regid postgres --init-groups)
    (cd "$folder" && clean "${as_postgres[@]}" "$(postgres_programs)/$1" "${@:2}")
}
