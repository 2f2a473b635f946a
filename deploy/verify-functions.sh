# shellcheck shell=bash disable=SC2154
# Functions of deploy/verify.sh, which sets `options` (project and files of compose), `logs` (a folder) and the limits.

compose() { docker compose --ansi never --progress plain "${options[@]}" "$@"; }

step() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }
fail() {
    printf 'FAILED: %s\n' "$*" >&2
    compose logs --no-color --tail 40 >&2 || true
    exit 1
}
unverified=()
not_verified() { # what, and why it cannot be tried here
    unverified+=("$*")
    printf '!! NOT VERIFIED: %s\n' "$*"
}
summary() {
    [ "${#unverified[@]}" -gt 0 ] || { step "verified"; return; }
    step "verified, but not all of it:"
    printf '## NOT VERIFIED: %s\n' "${unverified[@]}"
}

serves() { # options of `compose up`: everything that is started is healthy
    local began=$SECONDS
    compose up --detach --no-build --wait --wait-timeout "$READY_WITHIN_S" "$@" || fail "not healthy after $READY_WITHIN_S s"
    echo "healthy after $((SECONDS - began)) s"
}
transcribe() { compose run --rm -T client transcribe --server balancer:50051 "$@"; }
transcribe_slowly() { transcribe --pace "$SPEED" --format jsonl rain.wav; }
same_words() { # jsonl, text
    python3 - "$@" <<'CHECK'
import json, pathlib, sys
paced, text = (pathlib.Path(name).read_text().splitlines() for name in sys.argv[1:])
sys.exit([json.loads(line)["text"] for line in paced] != text)
CHECK
}
replicas() { compose ps -q hearken; }
metrics() { # container, port
    docker exec "$1" bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0"; printf "GET /metrics HTTP/1.0\r\n\r\n" >&3; cat <&3' "$2"
}
metric() { # replica, what its line begins with: the sum over all labels
    metrics "$1" 9464 | awk -v name="$2" 'index($0, name) == 1 { sum += $NF } END { printf "%d", sum }'
}
balancer_sees() { # so many replicas, no more and no fewer
    local deadline=$((SECONDS + BALANCER_WITHIN_S)) seen=none
    while [ "$SECONDS" -lt "$deadline" ]; do
        seen=$(metrics "$(compose ps -q balancer)" 8404 | sed -n 's/^haproxy_backend_active_servers{proxy="hearken"} //p') || true
        [ "$seen" != "$1" ] || return 0
        sleep 1
    done
    fail "the balancer sees $seen replicas instead of $1"
}
running_stream() { # the replica that has it
    local deadline=$((SECONDS + STREAM_WITHIN_S)) replica
    while [ "$SECONDS" -lt "$deadline" ]; do
        for replica in $(replicas); do
            if [ "$(metric "$replica" "hearken_streams_active ")" != 0 ]; then
                echo "$replica"
                return
            fi
        done
    done
    return 1
}
