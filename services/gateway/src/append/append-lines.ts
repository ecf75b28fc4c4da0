import { MAX_ELEMENTS_PER_MESSAGE, StreamError, type ChunkDraft } from "@sluice/core";
import type { SendReceipt, StreamHandle } from "@sluice/producer";
import { MAX_CHUNK_BYTES } from "@sluice/protocol";
import type { UploadBody } from "./upload-body.ts";
import { lineBatches, type Line } from "./line-batches.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

// A chunk's JSON may be written with more room than ours.
const MAX_LINE_BYTES = MAX_CHUNK_BYTES + 64 * 1024;
// A batch is one message: with what encoding adds it stays below the smallest log's limit of 1 MiB.
const MAX_BATCH_BYTES = 512 * 1024;

const BOUNDS = {
  maxLineBytes: MAX_LINE_BYTES,
  maxBatchLines: MAX_ELEMENTS_PER_MESSAGE,
  maxBatchBytes: MAX_BATCH_BYTES,
};

/** Hears of each batch of lines that is stored. @param line the number of its last one */
type OnStored = (receipts: readonly SendReceipt[], line: number) => void;

/**
 * Appends a body of NDJSON as it arrives: lines that arrived together travel together. While one message is on its way
 * the next is read, and no more.
 * @throws StreamError with `line` where a line is at fault: those before it are stored, and told
 */
export async function appendLines(handle: StreamHandle, body: UploadBody, onStored: OnStored): Promise<void> {
  let onItsWay: Promise<void> = Promise.resolve();
  try {
    for await (const batch of lineBatches(body, BOUNDS, body)) {
      await onItsWay;
      onItsWay = appendBatch(handle, batch, onStored);
      // The sender may be silent for long: it is to hear of a failure at once.
      onItsWay.catch((error: unknown) => body.interrupt(error));
    }
  } finally {
    // Whatever ends the upload, what is on its way arrives first; where both fail, this is the earlier line.
    await onItsWay;
  }
}

/**
 * Reads a body of NDJSON to its end, for one message.
 * @throws StreamError with `line` where one is at fault; INVALID_REQUEST, CHUNK_TOO_LARGE where they don't fit into a message
 */
export async function readLines(body: UploadBody): Promise<Line[]> {
  const lines: Line[] = [];
  let bytes = 0;
  for await (const batch of lineBatches(body, BOUNDS, body)) {
    lines.push(...batch);
    const added = batch.reduce((sum, line) => sum + line.bytes.byteLength, 0);
    bytes += added;
    body.keep(added);
    const many = lines.length > MAX_ELEMENTS_PER_MESSAGE;
    if (!many && bytes <= MAX_LINE_BYTES) continue;
    const most = many ? `${MAX_ELEMENTS_PER_MESSAGE} lines` : `${MAX_LINE_BYTES} bytes`;
    throw new StreamError(
      many ? "INVALID_REQUEST" : "CHUNK_TOO_LARGE",
      `an upload that is stored as one has at most ${most}: send it in parts, or use Sluice-Sequence`,
    );
  }
  return lines;
}

/** Stores lines as one message, or none of them. @throws StreamError with `line` where one is at fault */
export async function appendWhole(handle: StreamHandle, lines: readonly Line[]): Promise<SendReceipt[]> {
  const { chunks, fault } = parseLines(lines);
  if (fault !== null) throw fault;
  try {
    return await handle.sendAll(chunks, { holdHalves: false });
  } catch (error) {
    throw atLine(error, lines);
  }
}

async function appendBatch(handle: StreamHandle, lines: readonly Line[], onStored: OnStored): Promise<void> {
  const { chunks, fault } = parseLines(lines);
  const send = async (count: number): Promise<void> => {
    if (count > 0) onStored(await handle.sendAll(chunks.slice(0, count)), lines[count - 1]?.number ?? 0);
  };
  try {
    await send(chunks.length);
  } catch (error) {
    const index = error instanceof StreamError ? error.details["index"] : undefined;
    // Nothing was sent: those before the bad one are good.
    if (typeof index === "number") await send(index);
    throw atLine(error, lines);
  }
  if (fault !== null) throw fault;
}

function parseLines(lines: readonly Line[]): { chunks: ChunkDraft[]; fault: StreamError | null } {
  const chunks: ChunkDraft[] = [];
  for (const line of lines) {
    try {
      // Whether it is a draft the handle finds out.
      chunks.push(JSON.parse(utf8.decode(line.bytes)) as ChunkDraft);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const details = { line: line.number };
      const fault = new StreamError("INVALID_REQUEST", `line ${line.number} is not JSON: ${reason}`, {
        details,
      });
      return { chunks, fault };
    }
  }
  return { chunks, fault: null };
}

/** A fault of a chunk among those sent together, told by its line. */
function atLine(error: unknown, lines: readonly Line[]): unknown {
  if (!(error instanceof StreamError)) return error;
  const { index, ...details } = error.details;
  if (typeof index !== "number") return error;
  const line = lines[index]?.number ?? 0;
  const reason = error.message.replace(/^chunk at index \d+:? /, "");
  return new StreamError(error.code, `line ${line}: ${reason}`, {
    cause: error,
    details: { ...details, line },
  });
}
