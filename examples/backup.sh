#!/usr/bin/env bash
# Fetches everything that matches a pattern from all nodes into a folder, and
# writes down what came, from whom, with its content id. Run it again, from a
# timer: only what is new is fetched, and nothing is ever replaced.
#
#   examples/backup.sh p2p://nas:1700/RELAY_ID 'photos/**' /backup/photos
#
# At a private relay the file of the client's token comes last.
#
# Needs jq. Ends with the exit code of the client: 0 all there, 3 no relay, 4
# nothing matches, and so on, as the README has them.
set -uo pipefail

if (($# != 3 && $# != 4)); then
  echo "usage: backup.sh RELAY_ADDRESS PATTERN FOLDER [TOKEN_FILE]" >&2
  exit 2
fi
relay=$1 pattern=$2 folder=$3 token=${4-}
client=$(cd "$(dirname "$0")/.." && pwd)/peer_client.ts
mkdir -p "$folder" || exit 8

events=$(mktemp)
trap 'rm -f "$events"' EXIT

# With --json, stdout is one event a line; what a person would read is left out.
deno run --no-prompt --allow-net --allow-read="$folder${token:+,$token}" --allow-write="$folder" \
  "$client" --json ${token:+--token-file "$token"} "$relay" get "$pattern" -o "$folder/" >"$events" 2>/dev/null
code=$?

# One line for each file: what became of it. Events that are not known are left
# out, for later versions may have more of them.
jq -r '
  if .event == "file_received" then
    "new\t\(.bytes)\t\(.content)\t\([.from[].node.name] | join(","))\t\(.name)"
  elif .event == "file_failed" then "failed\t\(.error.why)\t\(.name)"
  elif .event == "error" then "error\t\(.what): \(.why)"
  else empty end' "$events"

jq -rs '
  "\(map(select(.event == "file_received")) | length) new, " +
  "\(map(select(.event == "file_present")) | length) there already, " +
  "\(map(select(.event == "file_failed")) | length) failed"' "$events" >&2

exit "$code"
