# Shared by the scripts of this directory: building, starting and ending servers. To be sourced from the repository's root.
# shellcheck shell=bash

# Part of the picture is noise, so that the encoder uses its 2.5 Mbit/s up as a camera would.
SOURCE=${SOURCE:-test:?width=1280&height=720&fps=30&gop=30&bitrate=2500000&noise=30}
# The ring holds the last ten seconds: only when it is full does the empty server weigh what it weighs.
FILL=${FILL:-12}
PROFILE=${PROFILE:-release}
export RUST_BACKTRACE=${RUST_BACKTRACE:-0}
bin=${CARGO_TARGET_DIR:-target}/$PROFILE
scratch=$(mktemp -d)
servers=()

end_servers() {
  ((${#servers[@]})) && kill "${servers[@]}" 2>/dev/null
  wait 2>/dev/null
  servers=()
}
trap 'end_servers; rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

build() {
  [[ -z ${NO_BUILD:-} ]] || return 0
  local release=()
  [[ $PROFILE == release ]] && release=(--release)
  cargo build --quiet "${release[@]}" --package neverblink --package neverblink-bench
}

die() {
  echo "$1" >&2
  [[ -z ${2:-} ]] || tail -n 20 "$2" >&2
  exit 1
}

# until_true SECONDS COMMAND…: tries it ten times a second.
until_true() {
  local tries=$(($1 * 10))
  shift
  until "$@"; do
    ((tries-- > 0)) || return 1
    sleep 0.1
  done
}

# A port that is not used now.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    ss -Hltun "sport = :$port" 2>/dev/null | grep -q . || break
  done
  echo "$port"
}

# Starts neverblink with the test picture; sets `server`, `http` and `rtsp`.
start_neverblink() {
  local log=$scratch/neverblink.log port
  port=$(free_port)
  rtsp=rtsp://127.0.0.1:$port/demo
  : >"$scratch/neverblink.out"
  "$bin/neverblink" demo --source "$SOURCE" --http 127.0.0.1:0 --rtsp "127.0.0.1:$port" --webrtc 127.0.0.1:0 \
    >"$scratch/neverblink.out" 2>"$log" &
  server=$!
  servers+=("$server")
  until_true 10 grep -q http: "$scratch/neverblink.out" || die "neverblink did not start:" "$log"
  http=$(sed -n 's/.*\(http:[^ ]*\).*/\1/p' "$scratch/neverblink.out" | head -n 1)
  http=${http%/}
}
