"""Reads a stream to its end, whatever happens to connections and servers (PROTOCOL.md, 7).

    pip install httpx-sse
    python reader.py http://127.0.0.1:8080/streams/my-stream/events
"""

import json
import sys
import time

import httpx
from httpx_sse import connect_sse

headers = {"sluice-client": "example"}
# The server says something at least every 30 s.
with httpx.Client(timeout=httpx.Timeout(10, read=90)) as client:
    while True:
        try:
            with connect_sse(client, "GET", sys.argv[1], headers=headers) as source:
                if source.response.status_code in (204, 404, 410):
                    sys.exit(f"no more of it ({source.response.status_code})")
                source.response.raise_for_status()
                for sse in source.iter_sse():
                    if sse.id:
                        headers["last-event-id"] = sse.id  # Here it goes on after a cut.
                    if sse.event == "text":
                        print(json.loads(sse.data)["chunk_type"]["content"], end="", flush=True)
                    elif sse.event == "gap":
                        print(f"[missing: {sse.data}]", file=sys.stderr)
                    elif sse.event in ("complete", "error", "deleted"):
                        sys.exit(0 if sse.event == "complete" else sse.data)
        except httpx.HTTPError:
            pass
        time.sleep(1)
