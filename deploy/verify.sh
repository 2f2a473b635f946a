#!/usr/bin/env bash
# Tries on a container engine what docker-compose.yml promises: builds the images, serves behind the balancer, transcribes,
# spreads streams over replicas, kills one and drains another in the middle of a stream, replaces all of them while streams
# run, shows page and metrics, serves with TLS and tokens, stops everything in order.
#
#   deploy/verify.sh [COMPOSE_FILE...]      further compose files, for example tests/deploy/host-network.yml
#
# Exit code: 0, what could be tried holds, and the last lines name what could not; 1, something does not hold; 77, there is
# no container engine, so NOTHING WAS VERIFIED.
set -euo pipefail
cd "$(dirname "$0")/.."

NO_ENGINE=77
STREAMS=8              # requests at the same time, over one connection, to see that they spread
SPEED=0.5              # of the stream that a replica is taken from; it lasts 13 s, less than what a drain gives it
STREAM_WITHIN_S=120    # until that stream has reached a replica
BALANCER_WITHIN_S=120  # until the balancer has noticed which replicas there are
STOP_WITHIN_S=120      # more than a stop needs: HEARKEN_DRAIN_GRACE_S and the end of the process
export READY_WITHIN_S=900  # until new replicas have loaded their model; generous, for busy machines
. deploy/verify-functions.sh

if ! docker info >/dev/null 2>&1 || ! docker compose version >/dev/null 2>&1; then
    echo "NOT VERIFIED: no container engine with compose answers here (docker info, docker compose version)." >&2
    exit "$NO_ENGINE"
fi

# A project and a port of its own, so that it does not meet a deployment on this machine.
export BALANCER_PORT=${BALANCER_PORT:-50059} CAPTIONS_PORT=${CAPTIONS_PORT:-8089} PROMETHEUS_PORT=${PROMETHEUS_PORT:-9099}
export GRAFANA_PORT=${GRAFANA_PORT:-3009}
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)
export VERSION REVISION
files=(-f docker-compose.yml)
for file in "$@"; do files+=(-f "$file"); done
options=(-p hearken-verify "${files[@]}")

logs=$(mktemp -d)
leave() {
    local code=$?
    trap - EXIT
    compose --profile demo --profile observability down --volumes --remove-orphans >/dev/null 2>&1 || true
    rm -rf "$logs"
    [ "$code" = 0 ] || { echo "NOT VERIFIED: the last step above failed." >&2; exit 1; }
}
trap leave EXIT

step "the compose files are valid, those for GPUs and TLS too"
compose --profile demo --profile observability config --quiet
docker compose -f docker-compose.yml -f docker-compose.gpu.yml -f docker-compose.tls.yml config --quiet

step "build"
began=$SECONDS
compose --profile demo build
echo "built in $((SECONDS - began)) s"
for image in hearken-server hearken-balancer hearken-client hearken-captions; do
    docker image inspect "$image" --format "$image: {{.Size}} bytes, user {{.Config.User}}, stop signal {{.Config.StopSignal}}"
    [ "$(docker image inspect "$image" --format '{{.Config.User}}')" = 10001:10001 ] || fail "$image runs as another user"
done
docker image inspect hearken-server --format '{{json .Config.Labels}}'
docker run --rm --network none --entrypoint sh hearken-server -c \
    'for tool in cc gcc g++ clang make ld; do if command -v $tool; then exit 1; fi; done' || fail "a compiler in the image"

step "what cannot start says so, and exits with 2"
code=0
docker run --rm --network none hearken-server >"$logs/plaintext" 2>&1 || code=$?
tail -1 "$logs/plaintext"
[ "$code" = 2 ] || fail "plaintext for everybody: exit code $code"
code=0
docker run --rm --network none --read-only -e HEARKEN_ALLOW_PLAINTEXT=1 -e HEARKEN_DEVICE=cuda hearken-server \
    >"$logs/cuda" 2>&1 || code=$?
tail -1 "$logs/cuda"
[ "$code" = 2 ] || fail "no GPU: exit code $code"
grep -q 'NVIDIA driver\|no GPU' "$logs/cuda" || fail "it does not name what is missing"

step "one replica"
serves
compose logs --no-color hearken >"$logs/server"
grep -o 'device auto: .*' "$logs/server" || fail "the log does not say which device it uses"
[ "$(docker inspect --format '{{.HostConfig.ReadonlyRootfs}}' "$(replicas)")" = true ] || fail "the file system is writable"
[ "$(docker exec "$(replicas)" id -u)" = 10001 ] || fail "the server runs as another user"
transcribe rain.wav | tee "$logs/one"
[ -s "$logs/one" ] || fail "no text"
docker stats --no-stream --format '{{.Name}}: {{.MemUsage}}'

step "make demo-remote uses this server from outside its network"
make --no-print-directory demo-remote SERVER="127.0.0.1:$BALANCER_PORT" AUDIO=clients/samples/audio/rain.wav ||
    fail "the demonstration"

step "three replicas: each gets streams, of one connection"
serves --no-recreate --scale hearken=3
balancer_sees 3
declare -A before
for replica in $(replicas); do before[$replica]=$(metric "$replica" hearken_streams_total); done
rains=()
for _ in $(seq "$STREAMS"); do rains+=(rain.wav); done
transcribe --parallel "$STREAMS" "${rains[@]}" >"$logs/many"
for replica in $(replicas); do
    streams=$(($(metric "$replica" hearken_streams_total) - ${before[$replica]}))
    echo "$(docker inspect --format '{{.Name}}' "$replica"): $streams streams"
    [ "$streams" -gt 0 ] || fail "this replica got none of $STREAMS streams"
done
sed 's/^rain.wav: //' "$logs/many" | sort | uniq -c
cmp <(sed 's/^rain.wav: //' "$logs/many" | sort -u) <(sort -u "$logs/one") || fail "the replicas do not say the same"

step "a replica dies in the middle of a stream: the client goes on with another, without losing a word"
transcribe_slowly >"$logs/killed" &
stream=$!
dying=$(running_stream) || fail "the stream reached no replica"
sleep 1
docker kill "$dying" >/dev/null
wait "$stream" || fail "the client gave up"
cat "$logs/killed"
same_words "$logs/killed" "$logs/one" || fail "the stream lost words"
docker rm "$dying" >/dev/null

step "a replica is stopped in the middle of a stream, which loses nothing; a new one goes elsewhere"
transcribe_slowly >"$logs/drained" &
stream=$!
draining=$(running_stream) || fail "the stream reached no replica"
docker stop -t "$STOP_WITHIN_S" "$draining" >/dev/null &
stop=$!
sleep 2
[ "$(docker inspect --format '{{.State.Running}}' "$draining")" = true ] || fail "the stop cut the stream short"
transcribe rain.wav | cmp - "$logs/one" || fail "a new stream during the stop"
wait "$stream" || fail "the stream did not survive the stop of its replica"
wait "$stop"
cat "$logs/drained"
same_words "$logs/drained" "$logs/one" || fail "the stream lost words"
code=$(docker inspect --format '{{.State.ExitCode}}' "$draining")
echo "exit code of the replica: $code"
[ "$code" = 0 ] || fail "the stopped replica has exit code $code"
docker logs "$draining" 2>&1 | tail -2

step "every replica is replaced while streams run; none of them fails"
serves --no-recreate --scale hearken=2
balancer_sees 2
replicas >"$logs/old"
touch "$logs/updating"
(
    while [ -e "$logs/updating" ]; do
        transcribe --parallel 4 --pace 1 rain.wav rain.wav rain.wav rain.wav >"$logs/during" || exit 1
        sed 's/^rain.wav: //' "$logs/during" >>"$logs/during-all"
    done
) &
streams=$!
deploy/rolling-update.sh "${options[@]}"
rm "$logs/updating"
wait "$streams" || fail "a stream failed during the update"
sort "$logs/during-all" | uniq -c
[ "$(sort -u "$logs/during-all")" = "$(sort -u "$logs/one")" ] || fail "a stream lost words during the update"
[ "$(replicas | wc -l)" = "$(wc -l <"$logs/old")" ] || fail "not as many replicas as before"
if replicas | grep -qFf "$logs/old"; then fail "an old replica is left"; fi

step "the page with live captions, and the metrics of every replica"
# --no-deps: what it depends on would be brought back to one replica.
compose --profile demo up --detach --no-build --no-deps --no-recreate --wait --wait-timeout "$READY_WITHIN_S" captions || fail "no page"
curl -fsS "http://127.0.0.1:$CAPTIONS_PORT/" | grep -i '<title>' || fail "the page is another one"
compose --profile observability up --detach --no-recreate --no-deps prometheus || fail "Prometheus does not start"
up() { curl -fsS "http://127.0.0.1:$PROMETHEUS_PORT/api/v1/query" --data-urlencode "query=count by (job) (up == 1)"; }
for _ in $(seq 120); do
    seen=$(up 2>/dev/null || true)
    grep -q '"job":"hearken"},"value":\[[0-9.]*,"2"' <<<"$seen" && break
    sleep 1
done
echo "$seen"
grep -q '"job":"hearken"},"value":\[[0-9.]*,"2"' <<<"$seen" || fail "Prometheus does not see both replicas"
grep -q '"job":"balancer"},"value":\[[0-9.]*,"1"' <<<"$seen" || fail "Prometheus does not see the balancer"

step "Grafana shows the dashboard"
if timeout 300 docker compose "${options[@]}" --profile observability pull --quiet grafana 2>"$logs/pull"; then
    compose --profile observability up --detach --no-recreate --no-deps grafana || fail "Grafana does not start"
    for _ in $(seq 120); do
        found=$(curl -fsS "http://127.0.0.1:$GRAFANA_PORT/api/search?type=dash-db" 2>/dev/null || true)
        [ -n "$found" ] && [ "$found" != "[]" ] && break
        sleep 1
    done
    grep '"Hearken"' <<<"$found" || fail "Grafana does not know the dashboard"
else
    not_verified "Grafana with the dashboard: its image cannot be had here ($(tail -1 "$logs/pull"))"
fi

step "a replica on a GPU"
if docker info --format '{{json .Runtimes}}' | grep -q nvidia; then
    on_cpu=("${options[@]}")
    options+=(-f docker-compose.gpu.yml)
    serves --scale hearken=1
    compose logs --no-color hearken | grep -m1 "on cuda" || fail "it does not say that it uses the GPU"
    transcribe rain.wav | grep . || fail "no text"
    options=("${on_cpu[@]}")
else
    not_verified "docker-compose.gpu.yml beyond its syntax: this engine has no NVIDIA runtime"
fi

step "TLS and tokens: who has both is served, who lacks one is not"
export SECRETS=$logs/secrets
mkdir "$SECRETS"
new="openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
(
    cd "$SECRETS"
    $new -subj /CN=authority -addext basicConstraints=critical,CA:TRUE -keyout authority.key -out authority.pem
    $new -subj /CN=balancer -addext subjectAltName=DNS:balancer,DNS:localhost -addext basicConstraints=critical,CA:FALSE \
        -CA authority.pem -CAkey authority.key -keyout server.key -out server.pem
) 2>/dev/null
chmod 755 "$logs" "$SECRETS"
chmod 777 "$SECRETS"
docker run --rm --network none -v "$SECRETS:/secrets" -e HEARKEN_TOKENS_FILE=/secrets/tokens.toml hearken-server \
    token create --name alice >"$SECRETS/alice.token"
chmod 755 "$SECRETS"
chmod 644 "$SECRETS"/*
options+=(-f docker-compose.tls.yml)
serves --scale hearken=1
balancer_sees 1
with_tls() { # further options of docker compose run, then those of transcribe
    compose run --rm -T -v "$SECRETS/authority.pem:/authority.pem:ro" "$@"
}
with_tls -e HEARKENCLIENT_TOKEN="$(cat "$SECRETS/alice.token")" client transcribe --server balancer:50051 \
    --root-certificates /authority.pem rain.wav | cmp - "$logs/one" || fail "with TLS and a token"
if with_tls client transcribe --server balancer:50051 --root-certificates /authority.pem rain.wav; then
    fail "served without a token"
fi
if transcribe rain.wav; then fail "served without TLS"; fi

step "everything stops in order"
containers=$(compose ps --all -q hearken balancer)
began=$SECONDS
compose --profile demo --profile observability stop
echo "stopped in $((SECONDS - began)) s"
for container in $containers; do
    docker inspect --format '{{.Name}}: exit code {{.State.ExitCode}}' "$container"
    [ "$(docker inspect --format '{{.State.ExitCode}}' "$container")" = 0 ] || fail "it did not stop as told"
done
compose --profile demo --profile observability down --volumes --remove-orphans

summary
