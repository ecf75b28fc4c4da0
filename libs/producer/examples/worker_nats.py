"""A worker that speaks plain NATS (PROTOCOL.md, 5): publishes a text word by word.

    pip install nats-py
    python worker_nats.py nats://127.0.0.1:4222 my-stream "Streams that survive."
"""

import asyncio
import json
import re
import sys
import uuid

import nats
from nats.errors import Error


async def main(servers: str, stream_id: str, text: str) -> None:
    connection = await nats.connect(servers)
    log = connection.jetstream()
    me = uuid.uuid4().hex

    chunks = [{"type": "Text", "content": word} for word in re.findall(r"\S+\s*", text)]
    chunks.append({"type": "Complete", "summary": f"{len(chunks)} words"})
    for number, chunk in enumerate(chunks):
        # One at a time, so they are stored in order; with an id of its own, so a repeated one is stored once.
        headers = {"Nats-Msg-Id": f"{me}:{number}"}
        for attempt in range(10):
            try:
                await log.publish(f"stream.{stream_id}", json.dumps(chunk).encode(), headers=headers)
                break  # Acknowledged: it is durable.
            except Error:
                if attempt == 9:
                    raise
                await asyncio.sleep(1)
    await connection.close()


asyncio.run(main(*sys.argv[1:4]))
