"""A worker that speaks plain HTTP (PROTOCOL.md, 6), with nothing but Python: sends a text word by word.

    python worker_http.py http://127.0.0.1:8081 my-stream "Streams that survive."
"""

import json
import re
import sys
import time
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen


def post(url: str, body: dict, headers: dict = {}) -> None:
    data = json.dumps(body).encode()
    with urlopen(Request(url, data, {"content-type": "application/json", **headers}), timeout=30):
        return


gateway, stream_id, text = sys.argv[1:4]
post(f"{gateway}/streams", {"stream_id": stream_id})
chunks = [{"type": "Text", "content": word} for word in re.findall(r"\S+\s*", text)]
chunks.append({"type": "Complete", "summary": f"{len(chunks)} words"})
for number, chunk in enumerate(chunks, start=1):
    while True:
        try:  # The number that it must take: a chunk whose answer was lost can be sent again.
            post(f"{gateway}/streams/{stream_id}/chunks", chunk, {"sluice-sequence": str(number)})
            break
        except HTTPError as refusal:
            problem = json.load(refusal)
            if problem.get("head_sequence") == number:
                break  # It had been stored.
            if refusal.code != 503:
                sys.exit(problem["detail"])
        except URLError:
            time.sleep(1)
