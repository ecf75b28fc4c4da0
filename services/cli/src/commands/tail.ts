import type { ChunkType } from "@sluice/core";
import { followStream, type FollowedEvent, type FollowRequest } from "../edge-reader.ts";
import { EXIT } from "../exit-codes.ts";
import type { Terminal } from "../terminal.ts";

/**
 * Prints a stream until its end: text and JSON on stdout, all else on stderr; with `asJson` each event as it came, a
 * line each, on stdout.
 * @returns the exit code: how the stream ended, and whether all of it came
 */
export async function tail(
  request: Omit<FollowRequest, "onReconnect">,
  options: { asJson: boolean; terminal: Terminal },
): Promise<number> {
  const { terminal } = options;
  const print = options.asJson ? printJson : printText;
  let isComplete = true;
  let isReconnecting = false;
  const onReconnect = (reason: string) => {
    if (!isReconnecting) terminal.warn(`${reason}; reconnecting`);
    isReconnecting = true;
  };
  for await (const event of followStream({ ...request, onReconnect })) {
    isReconnecting = false;
    await print(event, terminal);
    if (event.kind === "gap" || event.kind === "reset") isComplete = false;
    const code = exitCodeOf(event, isComplete);
    if (code !== null) {
      terminal.finish();
      return code;
    }
  }
  throw new Error("the stream was followed to no end");
}

/** Null while the stream goes on. */
function exitCodeOf(event: FollowedEvent, isComplete: boolean): number | null {
  if (event.kind === "nothing") {
    if (isFailure(event.status)) return EXIT.streamFailed;
    return isComplete ? EXIT.ok : EXIT.incomplete;
  }
  if (event.kind === "deleted") return EXIT.notFound;
  if (event.kind !== "chunk") return null;
  const { type } = event.chunk.chunk_type;
  if (type === "Error") return EXIT.streamFailed;
  if (type === "Complete") return isComplete ? EXIT.ok : EXIT.incomplete;
  return null;
}

function isFailure(status: string | null): boolean {
  return status === "errored" || status === "cancelled";
}

async function printJson(event: FollowedEvent, terminal: Terminal): Promise<void> {
  if (event.kind === "nothing") return;
  if (event.kind === "chunk") await terminal.write(`${event.json}\n`);
  else {
    const name = event.kind === "reset" ? "gap" : event.kind;
    await terminal.write(`${JSON.stringify({ event: name, ...(JSON.parse(event.json) as object) })}\n`);
  }
}

async function printText(event: FollowedEvent, terminal: Terminal): Promise<void> {
  switch (event.kind) {
    case "chunk":
      await printChunk(event.chunk.chunk_type, terminal);
      break;
    case "gap":
      terminal.warn(`chunks ${event.from} to ${event.to} can't be had any more (${event.reason})`);
      break;
    case "reset":
      terminal.warn(`the stream has only ${event.head} chunks, not ${event.cursor}: it goes on after those`);
      break;
    case "deleted":
      terminal.fail("the stream was deleted");
      break;
    case "nothing":
      if (isFailure(event.status)) terminal.fail(`the stream has ended: ${event.status}`);
      else terminal.note("the stream has ended; nothing comes after this position");
      break;
  }
}

async function printChunk(chunk: ChunkType, terminal: Terminal): Promise<void> {
  switch (chunk.type) {
    case "Text":
      await terminal.write(chunk.content);
      break;
    case "Json":
      await terminal.write(`${JSON.stringify(chunk.data)}\n`);
      break;
    case "Event":
      terminal.note(`${chunk.event_type} ${JSON.stringify(chunk.payload)}`);
      break;
    case "Progress":
      terminal.note(
        `${chunk.current}${chunk.total === null ? "" : `/${chunk.total}`} ${chunk.message}`.trimEnd(),
      );
      break;
    case "Error":
      terminal.fail(`${chunk.error} (${chunk.code})`);
      break;
    case "Complete":
      if (chunk.summary !== null) terminal.note(chunk.summary);
      break;
    case "Heartbeat":
      break;
  }
}
