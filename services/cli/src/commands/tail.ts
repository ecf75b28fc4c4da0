import type { Gap, StreamEnd } from "@sluice/client";
import type { ChunkType } from "@sluice/core";
import { followStream, type FollowedEvent, type FollowRequest } from "../follow-stream.ts";
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
    if (event.kind === "gap") isComplete = false;
    if (event.kind === "end") {
      terminal.finish();
      return exitCodeOf(event.end, isComplete);
    }
  }
  throw new Error("the stream was followed to no end");
}

function exitCodeOf({ status }: StreamEnd, isComplete: boolean): number {
  if (status === "deleted") return EXIT.notFound;
  if (isFailure(status)) return EXIT.streamFailed;
  return isComplete ? EXIT.ok : EXIT.incomplete;
}

function isFailure(status: StreamEnd["status"]): boolean {
  return status === "errored" || status === "cancelled";
}

async function printJson(event: FollowedEvent, terminal: Terminal): Promise<void> {
  if (event.kind === "chunk") await terminal.write(`${JSON.stringify(event.chunk)}\n`);
  else if (event.kind === "gap") await terminal.write(`${JSON.stringify({ event: "gap", ...event.gap })}\n`);
  else if (event.end.status === "deleted") await terminal.write(`${JSON.stringify({ event: "deleted" })}\n`);
}

async function printText(event: FollowedEvent, terminal: Terminal): Promise<void> {
  if (event.kind === "chunk") await printChunk(event.chunk.chunk_type, terminal);
  else if (event.kind === "gap") printGap(event.gap, terminal);
  else printEnd(event.end, terminal);
}

function printGap(gap: Gap, terminal: Terminal): void {
  if (gap.reset === true)
    terminal.warn(`the stream has only ${gap.head} chunks, not ${gap.cursor}; reading goes on after those`);
  else terminal.warn(`chunks ${gap.from} to ${gap.to} are gone (${gap.reason})`);
}

/** Prints how the stream ended where its last chunk, which says so itself, was not read. */
function printEnd({ status, chunk }: StreamEnd, terminal: Terminal): void {
  if (chunk !== null) return;
  if (status === "deleted") terminal.fail("the stream was deleted");
  else if (isFailure(status)) terminal.fail(`the stream has ended: ${status}`);
  else terminal.note("the stream has ended; nothing comes after this position");
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
