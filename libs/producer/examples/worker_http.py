"""A worker that speaks plain HTTP (PROTOCOL.md, 6), with nothing but Python: sends a text word by word, whatever
happens to connections, proxies and gateways meanwhile.

    python worker_http.py http://127.0.0.1:8081 my-stream "Streams that survive."
"""

import json
import re
import sys
import time
import uuid
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen


def post(url: str, body: dict) -> None:
    # With a key, a request whose answer was lost can be sent again: it is not done twice.
    headers = {"content-type": "application/json", "idempotency-key": str(uuid.uuid4())}
    while True:
        try:
            try:
                with urlopen(Request(url, json.dumps(body).encode(), headers), timeout=30):
                    return
            except HTTPError as refusal:
                answer, text = refusal, refusal.read().decode(errors="replace")
            if answer.code not in (408, 429, 502, 503, 504, 507):
                sys.exit(f"refused with {answer.code}: {text[:500]}")
            time.sleep(int(answer.headers.get("retry-after") or 1))
        except (OSError, HTTPException, ValueError):
            time.sleep(1)  # No answer, half of one, or a date to come again at.


gateway, stream_id, words = sys.argv[1], sys.argv[2], re.findall(r"\S+\s*", sys.argv[3])
post(f"{gateway}/streams", {"stream_id": stream_id})
for word in words:
    post(f"{gateway}/streams/{stream_id}/chunks", {"type": "Text", "content": word})
post(f"{gateway}/streams/{stream_id}/chunks", {"type": "Complete", "summary": f"{len(words)} words"})
