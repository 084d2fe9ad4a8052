# shellcheck shell=bash
# Running commands so that whoever is interrupted, and however, leaves no process behind.

say() { echo "tests/run: $*" >&2; }

fail() {
    say "$@"
    exit 1
}

running=

# Runs a command and returns its exit code.
# At a terminal, Ctrl-C reaches the command by itself. Elsewhere the signal may come to this script alone, and bash
# would hold it until the command ends; so there the command runs beside us, in a group that `end_group` can reach.
run() {
    if [ -t 0 ]; then
        "$@"
        return
    fi
    set -m
    "$@" &
    set +m
    running=$!
    local status=0
    wait "$running" || status=$?
    running=
    return "$status"
}

# on_exit COMMAND: runs it once, whether the script ends, fails or is told to stop.
on_exit() {
    # shellcheck disable=SC2064
    trap "trap '' HUP INT TERM; end_group \"\$running\"; $1" EXIT
    # A second signal must not cut the command short: `timeout` sends two, and so does impatience.
    trap "trap '' HUP INT TERM; exit 129" HUP
    trap "trap '' HUP INT TERM; exit 130" INT
    trap "trap '' HUP INT TERM; exit 143" TERM
}

# end_group GROUP: asks a process group to end and, after five seconds, makes it.
end_group() {
    [ -n "$1" ] && kill -TERM -- "-$1" 2>/dev/null || return 0
    for _ in {1..50}; do
        kill -0 -- "-$1" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL -- "-$1" 2>/dev/null || true
}

# in_background NAME COMMAND...: starts it in a group of its own, out of reach of the terminal's Ctrl-C.
# It writes to NAME.log; `is_alive NAME` and `end_background NAME` find it by NAME.group.
in_background() {
    set -m
    "${@:2}" >>"$1.log" 2>&1 </dev/null &
    set +m
    echo $! >"$1.group"
    disown
}

is_alive() { kill -0 -- "-$(cat "$1.group")" 2>/dev/null; }

end_background() {
    [ ! -e "$1.group" ] || end_group "$(cat "$1.group")"
    rm -f "$1.group"
}

# wait_until SECONDS COMMAND...: repeats the command until it succeeds; fails when the time is over.
wait_until() {
    local deadline=$((SECONDS + $1))
    until "${@:2}"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

# A loopback port without a listener, below the range from which the kernel takes ports for outgoing connections.
free_port() {
    local port
    while port=$(shuf -i 12000-31999 -n 1) && answers 127.0.0.1 "$port"; do :; done
    echo "$port"
}

# answers HOST PORT [GREETING]: somebody listens there and, if greeted, says something.
# shellcheck disable=SC2016
answers() {
    timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1" && { [ -z "${2-}" ] || { printf "$2" >&3 && read -r -N 1 -u 3; }; }' \
        "$@" 2>/dev/null
}

# clean COMMAND...: runs it with nothing of the caller's settings, which could point it at other servers.
clean() { env -i PATH="$PATH" LANG=C.UTF-8 "$@"; }
