# shellcheck shell=bash
# The two servers that the tests need: those of the environment, or private ones for the time of one command.

. tests/lib/rabbitmq.sh
. tests/lib/postgres.sh

# with_servers COMMAND...: runs it with POMOST_TEST_AMQP_URL and POMOST_TEST_DATABASE_URL pointing at live servers.
with_servers() {
    require_servers
    servers=$(mktemp -d -t pomost-tests.XXXXXX)
    chmod 711 "$servers" # the user `postgres` has a folder in it
    if [ -z "${POMOST_TEST_AMQP_URL-}" ]; then
        say 'starting RabbitMQ'
        start_rabbitmq "$servers/rabbitmq"
        POMOST_TEST_AMQP_URL=$(cat "$servers/rabbitmq/url")
    fi
    if [ -z "${POMOST_TEST_DATABASE_URL-}" ]; then
        say 'starting PostgreSQL'
        start_postgres "$servers/postgres"
        POMOST_TEST_DATABASE_URL=$(cat "$servers/postgres/url")
    fi
    export POMOST_TEST_AMQP_URL POMOST_TEST_DATABASE_URL
    "$@"
}

stop_servers() {
    [ -n "${servers-}" ] || return 0
    stop_rabbitmq "$servers/rabbitmq"
    stop_postgres "$servers/postgres"
    rm -rf "$servers"
}

# Fails unless each server answers already or can be started; packages that are missing for this are installed.
# They are needed in any case: some tests stop and kill a server, and start one of their own for it.
require_servers() {
    local missing=()
    rabbitmq_is_installed || missing+=(rabbitmq-server)
    postgres_is_installed || missing+=(postgresql)
    if [ -n "${POMOST_TEST_AMQP_URL-}" ]; then
        check_answers POMOST_TEST_AMQP_URL RabbitMQ 5672 "$rabbitmq_greeting"
    fi
    if [ -n "${POMOST_TEST_DATABASE_URL-}" ]; then
        check_answers POMOST_TEST_DATABASE_URL PostgreSQL 5432 "$postgres_greeting"
    fi
    [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}"
}

# check_answers VARIABLE SERVER DEFAULT_PORT GREETING: what the URL in the variable names must answer as that server.
check_answers() {
    local url=${!1} host port=$3
    [[ $url == *://* ]] || return 0 # a list of keys and values, as PostgreSQL's clients also take it: not ours to read
    host=${url#*://} host=${host%%[/?#]*} host=${host##*@}
    [[ $host =~ ^(.*):([0-9]+)$ ]] && host=${BASH_REMATCH[1]} port=${BASH_REMATCH[2]}
    host=${host#[} host=${host%]}
    answers "$host" "$port" "$4" || fail "$1 is set, but no $2 answers at $host, port $port." \
        'Start it, correct the variable, or unset it to get a private server.'
}

install_packages() {
    local as_root=()
    local instead="Install $* yourself; for PostgreSQL, POMOST_TEST_DATABASE_URL may name a running server instead."
    command -v apt-get >/dev/null || fail "missing: $*, and there is no apt-get to install it with. $instead"
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || fail "missing: $*, and to install it takes root or sudo. $instead"
        as_root=(sudo)
        [ -t 0 ] || as_root+=(--non-interactive)
    fi
    say "installing $* (without starting any service)"
    "${as_root[@]}" bash tests/lib/install "$@" >&2 || fail "could not install $*: see above. $instead"
}
