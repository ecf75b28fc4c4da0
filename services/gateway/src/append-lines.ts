import { MAX_ELEMENTS_PER_MESSAGE, StreamError, type ChunkDraft } from "@sluice/core";
import type { StreamHandle } from "@sluice/producer";
import { MAX_CHUNK_BYTES } from "@sluice/protocol";
import type { AppendTally } from "./append-answer.ts";
import type { UploadBody } from "./upload-body.ts";
import { lineBatches, type Line } from "./line-batches.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });

// A chunk's JSON may be written with more room than ours.
const MAX_LINE_BYTES = MAX_CHUNK_BYTES + 64 * 1024;
// A batch is one message: with what encoding adds it stays below the smallest log's limit of 1 MiB.
const MAX_BATCH_BYTES = 512 * 1024;

/**
 * Appends a body of NDJSON as it arrives: lines that arrived together travel together. While one message is on its way
 * the next is read, and no more.
 * @throws StreamError with `line` where a line is at fault: those before it are stored, and in the tally
 */
export async function appendLines(handle: StreamHandle, body: UploadBody, tally: AppendTally): Promise<void> {
  const bounds = {
    maxLineBytes: MAX_LINE_BYTES,
    maxBatchLines: MAX_ELEMENTS_PER_MESSAGE,
    maxBatchBytes: MAX_BATCH_BYTES,
  };
  let onItsWay: Promise<void> = Promise.resolve();
  try {
    for await (const batch of lineBatches(body, bounds)) {
      await onItsWay;
      onItsWay = appendBatch(handle, batch, tally);
      // The sender may be silent for long: it is to hear of a failure at once.
      onItsWay.catch((error: unknown) => body.interrupt(error));
    }
  } finally {
    // Whatever ends the upload, what is on its way arrives first; where both fail, this is the earlier line.
    await onItsWay;
  }
}

async function appendBatch(handle: StreamHandle, lines: readonly Line[], tally: AppendTally): Promise<void> {
  const { chunks, fault } = parseLines(lines);
  try {
    tally.add(await handle.sendAll(chunks));
  } catch (error) {
    const index = error instanceof StreamError ? error.details["index"] : undefined;
    if (!(error instanceof StreamError) || typeof index !== "number") throw error;
    // Nothing was sent: those before the bad one are good.
    tally.add(await handle.sendAll(chunks.slice(0, index)));
    throw atLine(error, lines[index]?.number ?? 0);
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

function atLine(error: StreamError, line: number): StreamError {
  const { index: _index, ...details } = error.details;
  const reason = error.message.replace(/^chunk at index \d+:? /, "");
  return new StreamError(error.code, `line ${line}: ${reason}`, {
    cause: error,
    details: { ...details, line },
  });
}
