import {
  awaitLog,
  connectNats,
  NatsRejectedElements,
  NatsStreamLog,
  type NatsLink,
} from "@sluice/broker-nats";
import { StreamError, type ChunkDraft, type ChunkType, type RejectedElement } from "@sluice/core";
import { StreamManager } from "@sluice/producer";
import { CliError, EXIT } from "../exit-codes.ts";
import type { Terminal } from "../terminal.ts";

/** A command that waits longer for a server than its user does is of no use. */
const CONNECT_TIMEOUT_MS = 5_000;
const MAX_EXCERPT_BYTES = 160;

/**
 * Reads rejected elements over NATS, not over the gateway: they may hold what no client should read, and whoever may
 * connect to the log may read it anyway.
 */
async function withLog<T>(natsUrl: string, work: (link: NatsLink) => Promise<T>): Promise<T> {
  let link: NatsLink | undefined;
  try {
    link = await connectNats({ servers: natsUrl, name: "sluice-cli", connectTimeoutMs: CONNECT_TIMEOUT_MS });
    return await work(link);
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
    throw new CliError(exitCodeOf(error), `${error.message} (${error.code})`, error);
  } finally {
    await link?.close();
  }
}

function exitCodeOf(error: StreamError): number {
  if (error.code === "STREAM_NOT_FOUND" || error.code === "STREAM_DELETED") return EXIT.notFound;
  return error.retryable ? EXIT.unreachable : EXIT.refused;
}

/** Prints one page of what was rejected, oldest first. */
export async function printRejected(
  page: { natsUrl: string; streamId: string | null; after: number; limit: number },
  { terminal, asJson }: { terminal: Terminal; asJson: boolean },
): Promise<void> {
  const { natsUrl, streamId, after, limit } = page;
  await withLog(natsUrl, async (link) => {
    const elements = await new NatsRejectedElements(link).readOldest({
      after,
      limit,
      ...(streamId === null ? {} : { streamId }),
    });
    for (const element of elements) await terminal.write(asJson ? jsonLine(element) : lines(element));
    const last = elements.at(-1);
    if (last === undefined) terminal.note("nothing was rejected");
    else if (elements.length === limit) terminal.note(`there may be more: --after ${last.position}`);
  });
}

function jsonLine(element: RejectedElement): string {
  const fields = {
    position: element.position,
    stream_id: element.streamId,
    broker_sequence: element.brokerSequence,
    element_index: element.index,
    reason: element.reason,
    rejected_at: element.rejectedMs,
    element: Buffer.from(element.element).toString(),
  };
  return `${JSON.stringify(fields)}\n`;
}

function lines({
  position,
  streamId,
  brokerSequence,
  index,
  reason,
  rejectedMs,
  element,
}: RejectedElement): string {
  const when = new Date(rejectedMs).toISOString();
  const place = brokerSequence === null ? "" : `  message ${brokerSequence}, element ${index ?? 0}`;
  return `${position}  ${when}  ${oneLine(streamId)}${place}\n    ${oneLine(reason)}\n    ${excerpt(element)}\n`;
}

/** The beginning of an element as one printable line: an element can be of any length, and any bytes. */
function excerpt(element: Uint8Array): string {
  const text = Buffer.from(element.subarray(0, MAX_EXCERPT_BYTES)).toString();
  const line = oneLine(text);
  // What a cut in the middle of a character leaves.
  return element.byteLength > MAX_EXCERPT_BYTES ? `${line.replace(/\uFFFD+$/, "")}…` : line;
}

/** Writes an element without line breaks, with which it would look like several entries, and without anything that isn't seen. */
function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ");
}

export interface Replay {
  natsUrl: string;
  position: number;
  /** JSON to be written instead; null: the element as it was. */
  replacement: string | null;
  /** Replay although the stream's producer still writes. */
  mayFence: boolean;
}

/** Appends a rejected element, or what it was mended to, to its stream as new chunks, and prints their numbers. */
export async function replayRejected(replay: Replay, terminal: Terminal): Promise<void> {
  const { natsUrl, position, replacement, mayFence } = replay;
  await withLog(natsUrl, async (link) => {
    const [element] = await new NatsRejectedElements(link).readOldest({ after: position - 1, limit: 1 });
    if (element?.position !== position) {
      throw new CliError(EXIT.notFound, `nothing was rejected at ${position}, or it has aged out`);
    }
    const chunks = parseChunks(replacement ?? Buffer.from(element.element).toString());
    const { streamId } = element;
    const log = new NatsStreamLog(link, await awaitLog(link, CONNECT_TIMEOUT_MS));
    const last = await log.lastMessage(streamId);
    if (last !== null && last.beatIntervalMs !== null && !mayFence) {
      throw new CliError(
        EXIT.refused,
        `the producer of stream ${streamId} may still write, and a replay would fence it: --fence if that is wanted`,
      );
    }
    await using manager = new StreamManager({ log });
    const handle = await manager.openStream(streamId, { mode: "shared" });
    for (const { sequence, brokerSequence } of await handle.sendAll(chunks)) {
      const number = sequence === null ? `in message ${brokerSequence}` : `as ${sequence}`;
      await terminal.write(`${streamId}  stored ${number}\n`);
    }
  });
}

/** Parses chunks. Their content is checked where every producer's is: in the handle. */
function parseChunks(text: string): (ChunkType | ChunkDraft)[] {
  try {
    const value = JSON.parse(text) as ChunkDraft | ChunkDraft[];
    return Array.isArray(value) ? value : [value];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError(
      EXIT.refused,
      `that is no JSON (${reason}): give the mended chunk with --stdin`,
      error,
    );
  }
}
