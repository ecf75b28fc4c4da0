import { CHUNKS_STREAM, HEADERS, streamSubject } from "@sluice/protocol";
import { serve } from "../src/actor.ts";
import { monotonicMs } from "../src/clock.ts";
import { publishLines, RawNats } from "../src/raw-nats.ts";
import { firstSequenceOf, stampedChunk, streamIdOf, streamOf, type Workload } from "../src/workload.ts";

export interface PublishedRun {
  /** Number of the first message of this run. */
  firstNumber: number;
  /** When each message was handed to the socket and when its acknowledgement was read, monotonic ms. */
  publishedMs: Float64Array;
  ackedMs: Float64Array;
}

export interface RawPublisher {
  open(options: { natsUrl: string; workload: Workload }): Promise<void>;
  /** Publishes at a constant rate, and waits for the acknowledgements. */
  run(options: { chunksPerSecond: number; durationMs: number }): Promise<PublishedRun>;
}

const TICK_MS = 1;
/** Past this the log is what can't follow, and waiting measures nothing but its queue. */
const MAX_UNACKED_BYTES = 4 * 1024 * 1024;
const ACK_TIMEOUT_MS = 15_000;
const INBOX = `_INBOX.bench${process.pid}`;

let workload: Workload;
let client: RawNats;
let nextNumber = 0;
let run: { firstNumber: number; acked: number; ackedMs: Float64Array } | null = null;
let onAck: () => void = () => undefined;

/**
 * Publishes as the SDK does (message id, sequence, an expectation that the server checks), but pipelined: each
 * stream's compare-and-set would wait for the server, which isn't the question where this is used.
 */
function messageLines(number: number, nowMs: number): string {
  const streamId = streamIdOf(workload, streamOf(workload, number));
  const chunks: string[] = [];
  for (let index = 0; index < workload.chunksPerMessage; index++) {
    chunks.push(stampedChunk(workload.chunkBytes, nowMs, number + index));
  }
  return publishLines(
    streamSubject(streamId),
    `${INBOX}.${number}`,
    [
      [HEADERS.messageId, `${workload.prefix}-bench:${number}`],
      [HEADERS.sequence, String(firstSequenceOf(workload, number))],
      ["Nats-Expected-Stream", CHUNKS_STREAM],
    ],
    chunks.length === 1 ? (chunks[0] ?? "") : `[${chunks.join(",")}]`,
  );
}

function takeAck(subject: string, payload: Buffer): void {
  if (payload.includes('"error"')) throw new Error(`the log refused a message: ${payload.toString()}`);
  if (run === null) return;
  run.ackedMs[Number(subject.slice(INBOX.length + 1)) - run.firstNumber] = monotonicMs();
  run.acked += 1;
  onAck();
}

async function publish(chunksPerSecond: number, durationMs: number): Promise<PublishedRun> {
  const perMs = chunksPerSecond / workload.chunksPerMessage / 1000;
  const total = Math.max(1, Math.round(perMs * durationMs));
  const maxUnacked = Math.max(16, MAX_UNACKED_BYTES / (workload.chunksPerMessage * workload.chunkBytes));
  const firstNumber = nextNumber;
  const publishedMs = new Float64Array(total);
  const current = { firstNumber, acked: 0, ackedMs: new Float64Array(total) };
  run = current;
  const startedMs = monotonicMs();
  let sent = 0;
  await new Promise<void>((resolve) => {
    const tick = (): void => {
      const nowMs = monotonicMs();
      const due = Math.min(total, Math.ceil((nowMs - startedMs) * perMs), current.acked + maxUnacked);
      let lines = "";
      for (; sent < due; sent++) {
        publishedMs[sent] = nowMs;
        lines += messageLines(firstNumber + sent, nowMs);
      }
      if (lines !== "") client.send(lines);
      // A log that can't follow ends the run early, with what it took.
      if (sent >= total || nowMs - startedMs > durationMs * 1.5) resolve();
      else setTimeout(tick, TICK_MS);
    };
    tick();
  });
  await allAcked(current, sent);
  nextNumber += sent;
  run = null;
  return {
    firstNumber,
    publishedMs: publishedMs.subarray(0, sent),
    ackedMs: current.ackedMs.subarray(0, sent),
  };
}

async function allAcked(current: { acked: number }, sent: number): Promise<void> {
  if (current.acked >= sent) return;
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`${sent - current.acked} of ${sent} messages were not acknowledged`));
    }, ACK_TIMEOUT_MS);
    onAck = () => {
      if (current.acked < sent) return;
      clearTimeout(timer);
      resolve();
    };
  });
  onAck = () => undefined;
}

serve({
  async open(options) {
    workload = options.workload;
    client = await RawNats.connect(options.natsUrl, takeAck);
    client.subscribe(`${INBOX}.*`);
    await client.flush();
  },
  run: (options) => publish(options.chunksPerSecond, options.durationMs),
} satisfies RawPublisher);
