import { elementFrames } from "@sluice/protocol";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { serve } from "../src/actor.ts";

export interface FrameSource {
  /** Makes a finished stream and serves it to whoever asks. @returns its URL */
  open(options: { chunks: number; chunkBytes: number }): Promise<string>;
}

// As large as what an edge writes at once while it replays.
const WRITE_BYTES = 64 * 1024;

/** All the bytes of a replay, ready: it must never be the slower side. */
function replayOf(chunks: number, chunkBytes: number): Buffer {
  const body = (chunkType: object): string =>
    `"chunk_type":${JSON.stringify(chunkType)},"data":null,"metadata":{"source":"bench","content_type":"application/json","compression":null,"cache_ttl":null,"custom":{}},"timestamp":1700000000000}`;
  const bare = body({ type: "Text", content: "" });
  const text = body({ type: "Text", content: "x".repeat(Math.max(0, chunkBytes - bare.length)) });
  const chunk = { kind: "chunk", body: text, endStatus: null, cacheTtlSeconds: null } as const;
  const end = { ...chunk, body: body({ type: "Complete", summary: null }), endStatus: "completed" } as const;
  const frames = elementFrames(
    "s",
    1,
    Array.from({ length: chunks }, () => chunk),
  );
  return Buffer.from(`retry: 60000\n\n${frames}${elementFrames("s", chunks + 1, [end])}`);
}

serve({
  async open({ chunks, chunkBytes }) {
    const replay = replayOf(chunks, chunkBytes);
    const server = createServer((_request, response) => {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      let at = 0;
      const write = (): void => {
        for (let hasRoom = true; hasRoom && at < replay.byteLength; at += WRITE_BYTES)
          hasRoom = response.write(replay.subarray(at, at + WRITE_BYTES));
        if (at >= replay.byteLength) response.end();
        else response.once("drain", write);
      };
      write();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  },
} satisfies FrameSource);
