"""Reads a stream with the library that is named first, and writes each text as a line of JSON.

None of them survives a lost connection by itself, so each is asked again from its last id, until it has seen the end.
"""

import asyncio
import json
import sys
import time

library, url = sys.argv[1:3]
headers = {"sluice-client": "test"}


def say(event_id: str, name: str, data: str) -> None:
    """Ends the program at the end of the stream."""
    if name not in ("text", "complete"):
        return
    headers["last-event-id"] = event_id
    chunk = json.loads(data)["chunk_type"]
    print(json.dumps(chunk["content"] if name == "text" else chunk["type"]), flush=True)
    if name == "complete":
        sys.exit()


def httpx_sse() -> None:
    import httpx
    from httpx_sse import connect_sse

    with httpx.Client(timeout=90) as client, connect_sse(client, "GET", url, headers=headers) as source:
        for event in source.iter_sse():
            say(event.id, event.event, event.data)


def sseclient_py() -> None:
    import requests
    import sseclient

    response = requests.get(url, stream=True, headers={**headers, "accept": "text/event-stream"}, timeout=90)
    for event in sseclient.SSEClient(response).events():
        say(event.id, event.event, event.data)


async def aiohttp_sse_client() -> None:
    from aiohttp_sse_client import client

    async with client.EventSource(url, headers=headers) as source:
        async for event in source:
            say(event.last_event_id, event.type, event.data)


while True:
    try:
        if library == "httpx-sse":
            httpx_sse()
        elif library == "sseclient-py":
            sseclient_py()
        else:
            asyncio.run(aiohttp_sse_client())
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    time.sleep(0.1)
