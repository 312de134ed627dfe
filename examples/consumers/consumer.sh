#!/usr/bin/env bash
# Reads PayFlow's event streams with redis-cli, and prints each event's JSON on a line of its own. Start it once:
# two of them would read a merchant's events side by side and mix their order.
#
#   REDIS_URL=redis://… GROUP=my-group examples/consumers/consumer.sh
#
# What it relies on is in docs/guides/event-streams.md.
set -euo pipefail

url=${REDIS_URL:-redis://127.0.0.1:6379}
# redis-cli takes an address without a user's name for a user without a name.
url=${url/:\/\/:/:\/\/default:}
prefix=${STREAM_PREFIX:-ingest}
group=${GROUP:-example-shell}

redis() { redis-cli -u "$url" --no-auth-warning --raw -e "$@"; }

# Your work: an event's JSON in $1. It may come again after a crash.
handle() { printf '%s\n' "$1"; }

# Prints "id, group it is for, event" of each entry, from one field or value a line: id first, then six pairs,
# then one more where the entry was redriven.
entries() {
  awk '
    NR == 1 { next }
    !id { id = $0; lines = 0; next }
    { lines++; if (lines == 12) { event = $0; whole = 1; next } }
    whole && $0 == "for" { named = 1; next }
    named { print id "\t" $0 "\t" event; id = ""; whole = named = 0; next }
    whole { print id "\t\t" event; id = $0; lines = whole = 0; next }
    END { if (whole && !named) print id "\t\t" event }'
}

# Reads a partition from an id (0: what is pending, >: what is new), and acknowledges what was handled.
take() {
  local key="$prefix:{$1}:events" count=0 id target event reply
  reply=$(redis XREADGROUP GROUP "$group" shell COUNT 100 STREAMS "$key" "$2")
  while IFS=$'\t' read -r id target event; do
    # Tabs are white space to `read`: an empty field between two of them is left out.
    if [[ -z $event ]]; then event=$target target=''; fi
    if [[ -z $target || $target == "$group" ]]; then handle "$event"; fi
    redis XACK "$key" "$group" "$id" >/dev/null
    count=$((count + 1))
  done < <(printf '%s' "$reply" | entries)
  [[ $count -gt 0 ]]
}

partitions=$(redis HGET "$prefix:{shared}:plan" partitions)
: "${partitions:?there are no event streams called $prefix in this Redis}"
for ((partition = 0; partition < partitions; partition++)); do
  redis XGROUP CREATE "$prefix:{$partition}:events" "$group" 0 MKSTREAM >/dev/null 2>&1 || true
done
redis HSETNX "$prefix:{shared}:groups" "$group" '{"kind":"outside","start":"0","state":"active"}' >/dev/null

for ((partition = 0; partition < partitions; partition++)); do
  while take "$partition" 0; do :; done
done
while true; do
  found=false
  for ((partition = 0; partition < partitions; partition++)); do
    if take "$partition" '>'; then found=true; fi
  done
  $found || sleep 1
done
