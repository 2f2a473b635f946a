#!/usr/bin/env bash
# Replaces every replica of docker-compose.yml by one of the image that is built now, without a failed stream: a new one
# first, then an old one less, which takes no new streams and lets those it has finish.
#
#   docker compose build hearken && deploy/rolling-update.sh [OPTION of docker compose...]
#
# The options are those of `up`: -p PROJECT, -f FILE. Exit code 0: all replicas are new.
set -euo pipefail
cd "$(dirname "$0")/.."

READY_WITHIN_S=${READY_WITHIN_S:-180}
BALANCER_WITHIN_S=60
STOP_WITHIN_S=45       # more than HEARKEN_DRAIN_GRACE_S

compose() { docker compose --ansi never --progress quiet "$@"; }
options=("$@")

serving() { # so many replicas, as the balancer sees it
    compose "${options[@]}" exec -T balancer bash -c \
        'exec 3<>/dev/tcp/127.0.0.1/8404; printf "GET /metrics HTTP/1.0\r\n\r\n" >&3; cat <&3' |
        sed -n 's/^haproxy_backend_active_servers{proxy="hearken"} //p'
}

old=$(compose "${options[@]}" ps -q hearken)
count=$(wc -w <<<"$old")
[ "$count" -gt 0 ] || { echo "no replica is running; use: docker compose up" >&2; exit 1; }
before=$(serving)
number=0
for replica in $old; do
    number=$((number + 1))
    echo "replica $number of $count"
    compose "${options[@]}" up --detach --no-build --no-deps --no-recreate --wait --wait-timeout "$READY_WITHIN_S" \
        --scale hearken=$((count + 1)) hearken
    deadline=$((SECONDS + BALANCER_WITHIN_S))
    until [ "$(serving)" -gt "$before" ]; do
        [ "$SECONDS" -lt "$deadline" ] || { echo "the balancer does not find the new replica" >&2; exit 1; }
        sleep 1
    done
    docker stop -t "$STOP_WITHIN_S" "$replica" >/dev/null
    docker rm "$replica" >/dev/null
done
