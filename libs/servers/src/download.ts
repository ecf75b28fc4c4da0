import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";

// A network that answers at all does so well within this; without it an offline machine would wait out each way.
const FIRST_BYTE_TIMEOUT_MS = 5_000;
const DOWNLOAD_TIMEOUT_MS = 180_000;
const PROGRESS_INTERVAL_MS = 2_000;

export interface Download {
  readonly url: string;
  /** Hex; the file is deleted when its content hashes to anything else. */
  readonly sha256: string;
  readonly to: string;
  readonly report: (line: string) => void;
}

/** @throws Error with a one-line reason; nothing is left at `to` then */
export async function downloadVerified(download: Download): Promise<void> {
  try {
    await fetchTo(download);
    verifySha256(await readFile(download.to), download.sha256);
  } catch (error) {
    await rm(download.to, { force: true });
    throw error;
  }
}

export function verifySha256(content: Uint8Array, expected: string): void {
  const actual = createHash("sha256").update(content).digest("hex");
  if (actual !== expected.toLowerCase()) {
    throw new Error(`the checksum is wrong: sha256 is ${actual}, the pinned release has ${expected}`);
  }
}

async function fetchTo(download: Download): Promise<void> {
  const aborter = new AbortController();
  const abortAfter = (ms: number, reason: string): NodeJS.Timeout =>
    setTimeout(() => aborter.abort(new Error(reason)), ms);
  const firstByte = abortAfter(FIRST_BYTE_TIMEOUT_MS, "no answer within 5 s");
  const whole = abortAfter(DOWNLOAD_TIMEOUT_MS, "the download took longer than 180 s");
  try {
    const response = await fetch(download.url, { signal: aborter.signal });
    clearTimeout(firstByte);
    if (!response.ok || response.body === null) throw new Error(`HTTP status ${response.status}`);
    const total = Number(response.headers.get("content-length"));
    await pipeline(
      Readable.fromWeb(response.body as ReadableStream<Uint8Array>),
      progress(total, download.report),
      createWriteStream(download.to),
      { signal: aborter.signal },
    );
  } catch (error) {
    throw new Error(reasonOf(aborter.signal.aborted ? aborter.signal.reason : error), {
      cause: error,
    });
  } finally {
    clearTimeout(firstByte);
    clearTimeout(whole);
  }
}

function progress(total: number, report: (line: string) => void): Transform {
  let received = 0;
  let reportedAt = Date.now();
  return new Transform({
    transform(data: Uint8Array, _encoding, done) {
      received += data.byteLength;
      if (Date.now() - reportedAt > PROGRESS_INTERVAL_MS) {
        reportedAt = Date.now();
        const share = total > 0 ? ` of ${megabytes(total)}` : "";
        report(`  ${megabytes(received)}${share} MB`);
      }
      done(null, data);
    },
  });
}

function megabytes(bytes: number): string {
  return (bytes / 1_000_000).toFixed(1);
}

/** `fetch` says only "fetch failed"; what failed stands in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
