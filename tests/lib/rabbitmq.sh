# shellcheck shell=bash
# A private RabbitMQ node: it listens on loopback only, and all it reads and writes lies in one folder.

# The script in the PATH insists on the user root or rabbitmq; the one that it wraps runs as anybody.
rabbitmq_server=/usr/lib/rabbitmq/bin/rabbitmq-server
rabbitmq_greeting='AMQP\0\0\11\1'

rabbitmq_is_installed() { [ -x "$rabbitmq_server" ] && command -v epmd >/dev/null; }

# start_rabbitmq FOLDER: returns when the node answers; FOLDER/url then says where.
start_rabbitmq() {
    local folder=$1 port dist_port epmd_port
    port=$(free_port) dist_port=$(free_port) epmd_port=$(free_port)
    mkdir "$folder" "$folder/home"
    echo '[].' >"$folder/enabled_plugins"
    touch "$folder/environment.conf" "$folder/rabbitmq.conf"
    echo "amqp://guest:guest@127.0.0.1:$port/%2f" >"$folder/url"
    # An epmd of our own: the node would start one that outlives it.
    in_background "$folder/epmd" epmd -port "$epmd_port" -address 127.0.0.1
    in_background "$folder/node" rabbitmq_node
    wait_until 120 rabbitmq_answers_or_died || true
    rabbitmq_answers && return
    tail -n 30 "$folder"/{epmd,node}.log >&2
    fail "RabbitMQ did not start on port $port: its last words are above."
}

# Every path is given, so that nothing under /etc/rabbitmq or /var/lib/rabbitmq takes part.
rabbitmq_node() {
    clean HOME="$folder/home" \
        ERL_EPMD_PORT="$epmd_port" \
        ERL_EPMD_ADDRESS=127.0.0.1 \
        ERL_CRASH_DUMP="$folder/crash.dump" \
        RABBITMQ_NODENAME="pomost-$port@localhost" \
        RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 \
        RABBITMQ_NODE_PORT="$port" \
        RABBITMQ_DIST_PORT="$dist_port" \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
        RABBITMQ_MNESIA_BASE="$folder/data" \
        RABBITMQ_LOG_BASE="$folder/log" \
        RABBITMQ_PID_FILE="$folder/pid" \
        RABBITMQ_CONF_ENV_FILE="$folder/environment.conf" \
        RABBITMQ_CONFIG_FILE="$folder/rabbitmq.conf" \
        RABBITMQ_CONFIG_FILES="$folder/conf.d" \
        RABBITMQ_ADVANCED_CONFIG_FILE="$folder/advanced.config" \
        RABBITMQ_ENABLED_PLUGINS_FILE="$folder/enabled_plugins" \
        "$rabbitmq_server"
}

rabbitmq_answers() { answers 127.0.0.1 "$port" "$rabbitmq_greeting"; }

rabbitmq_answers_or_died() { rabbitmq_answers || ! is_alive "$folder/node" || ! is_alive "$folder/epmd"; }

# stop_rabbitmq FOLDER: ends the node and its epmd.
stop_rabbitmq() {
    end_background "$1/node"
    end_background "$1/epmd"
}
