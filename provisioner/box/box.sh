# What a rented machine does: keeps a watch over itself, fetches the server, serves, and ends itself.
# At most 3,900 bytes, because Vast takes no more. The variables are set by provisioner/src/bootstrap.rs.
set -u
box=${FARWARP_BOX:-/opt/farwarp}
server=$box/bin/farwarp-server
life=$box/renewed
main=$$
mkdir -p "$box/bin"
: >"$life"

say() { echo "box: $*" >&2; }

# The end of the machine, by the means that its provider gives it. Nothing here is the key of an account.
end() {
    say "ends itself: $1"
    case ${FARWARP_END:-exit} in
    vast)
        # Until this process is gone with its machine.
        while :; do
            curl -fsS -m 30 -X DELETE -H "Authorization: Bearer $CONTAINER_API_KEY" \
                "$FARWARP_ENDPOINT/api/v0/instances/$CONTAINER_ID/" >&2
            sleep "${FARWARP_AGAIN_S:-10}"
        done ;;
    poweroff) poweroff || shutdown -h now || echo o >/proc/sysrq-trigger ;;
    command) sh -c "$FARWARP_END_COMMAND" ;;
    esac
    kill -KILL -- "-$main" 2>/dev/null || kill -KILL "$main" 2>/dev/null
    exit 0
}

# The dead man: it counts by itself, so neither a server that hangs nor a clock that jumps deceives it.
watch() {
    step=${FARWARP_WATCH_S:-5} still=0 last=
    while sleep "$step"; do
        now=$(stat -c %Y "$life" 2>/dev/null)
        if [ "$now" = "$last" ]; then still=$((still + step)); else still=0 last=$now; fi
        [ "$still" -ge "$FARWARP_DEAD_S" ] && end "nobody has renewed it for $still s"
    done
}
watch &

is_right() { [ -f "$server" ] && echo "$FARWARP_SERVER_SHA256  $server" | sha256sum -c --status; }

fetch() {
    if is_right; then return; fi
    case ${FARWARP_SERVER_URL:-} in
    "") return 1 ;;
    *) curl -fsSL --retry 3 -m 300 -o "$server" "$FARWARP_SERVER_URL" && chmod 755 "$server" && is_right ;;
    esac
}

if [ -n "${FARWARP_SERVER_SHA256:-}" ]; then
    fetch || end "there is no server with SHA-256 $FARWARP_SERVER_SHA256 to be had from ${FARWARP_SERVER_URL:-this image}"
fi
say "serves at port $FARWARP_PORT"
"$server" --listen "${FARWARP_HOST:-0.0.0.0}:$FARWARP_PORT" --renewed-file "$life" \
    --ttl "${FARWARP_TTL_S}s" --idle "${FARWARP_IDLE_S}s" --resume-grace "${FARWARP_GRACE_S}s"
end "the server has ended with $?"
