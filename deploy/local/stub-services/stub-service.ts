import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import type { ListenOptions } from "node:net";

const FIRST_ID = "stub-1";
const WORDS = ["Water ", "waits ", "here."];

/**
 * Stands for a service before the launcher, with nothing behind it: it is ready at once, the gateway takes any prompt,
 * the edge gives every stream the same answer. SIGTERM ends it.
 */
export function runStubService(own?: {
  readonly handle: RequestListener;
  readonly listen: ListenOptions;
}): void {
  const servers: Server[] = [
    createServer((_request, response) => response.end("ok\n")).listen(Number(process.env["ADMIN_PORT"])),
  ];
  if (own !== undefined) servers.push(createServer(own.handle).listen(own.listen));
  process.once("SIGTERM", () => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
  });
}

export const answerPrompt: RequestListener = (request, response) => {
  const found = request.method === "POST" && request.url === "/prompts";
  response.writeHead(found ? 201 : 404, { "content-type": "application/json" });
  response.end(JSON.stringify({ stream_id: FIRST_ID }));
};

/** Breaks the connection after the first chunk, so that who reads on must resume. */
export const streamAnswer: RequestListener = (request, response) => {
  if (request.url !== `/streams/${FIRST_ID}/events`) {
    response.writeHead(404).end("no such stream");
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  const after = Number(request.headers["last-event-id"] ?? 0);
  const frames = WORDS.map((content, index) => frame(index + 1, "text", { type: "Text", content }));
  frames.push(frame(WORDS.length + 1, "complete", { type: "Complete" }));
  if (after > 0) response.end(frames.slice(after).join(""));
  else response.write(frames[0] ?? "", () => response.destroy());
};

function frame(sequence: number, event: string, chunkType: object): string {
  return `id: ${sequence}\nevent: ${event}\ndata: ${JSON.stringify({ sequence, chunk_type: chunkType })}\n\n`;
}
