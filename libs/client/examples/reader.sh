#!/usr/bin/env bash
# Reads a stream to its end with curl, whatever happens to connections and servers (PROTOCOL.md, 7). The text needs jq.
#
#     ./reader.sh http://127.0.0.1:8080/streams/my-stream/events | jq --join-output 'select(.chunk_type.type == "Text").chunk_type.content'
set -u
last=0
while :; do
  while IFS= read -r line; do
    case "$line" in
      id:*) last=${line#id: } ;; # Here it goes on after a cut.
      event:*) event=${line#event: } ;;
      data:*)
        printf '%s\n' "${line#data: }"
        case "$event" in complete) exit 0 ;; error | deleted) exit 1 ;; esac
        ;;
    esac
  done < <(exec curl --silent --no-buffer --fail --max-time 3600 --header "Last-Event-ID: $last" \
    --header 'Sluice-Client: example' "$1")
  sleep 1
done
