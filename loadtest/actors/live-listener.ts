import { decodeLiveMessage, liveSubject } from "@sluice/protocol";
import { serve } from "../src/actor.ts";
import { monotonicMs } from "../src/clock.ts";
import { RawNats } from "../src/raw-nats.ts";
import { messageNumberOf, type Workload } from "../src/workload.ts";

export interface Arrivals {
  /** When each message of the run became readable, monotonic ms; 0: it didn't in time. */
  readableMs: Float64Array;
  /** Ranges that didn't follow the one before; there must be none. */
  holes: number;
}

export interface LiveListener {
  open(options: { natsUrl: string; workload: Workload }): Promise<void>;
  /** Waits until messages `first` … `first + count − 1` are readable, or the time is over. */
  await(options: { first: number; count: number; timeoutMs: number }): Promise<Arrivals>;
}

const POLL_MS = 5;

let workload: Workload;
let readableMs = new Float64Array(1 << 20);
let lastSequences: Float64Array;
let holes = 0;

/**
 * Ingest publishes a range only after Redis holds it, so its arrival here is the first moment at which anybody could know
 * that it is readable: later than the write itself by one hop, never earlier.
 */
function takeRange(subject: string, payload: Buffer): void {
  const stream = Number(subject.slice(liveSubject(workload.prefix).length + 1));
  const range = decodeLiveMessage(payload);
  if (range === null || Number.isNaN(stream)) throw new Error(`foreign live message on ${subject}`);
  const nowMs = monotonicMs();
  if (range.first !== (lastSequences[stream] ?? 0) + 1) holes += 1;
  lastSequences[stream] = range.last;
  const from = messageNumberOf(workload, stream, range.first);
  const to = messageNumberOf(workload, stream, range.last);
  if (to >= readableMs.length) grow(to);
  for (let number = from; number <= to; number += workload.streams) readableMs[number] = nowMs;
}

function grow(number: number): void {
  const larger = new Float64Array(Math.max(number + 1, readableMs.length * 2));
  larger.set(readableMs);
  readableMs = larger;
}

async function awaitArrivals(first: number, count: number, timeoutMs: number): Promise<Arrivals> {
  const deadlineMs = monotonicMs() + timeoutMs;
  if (first + count > readableMs.length) grow(first + count);
  // Each stream is in order, so the last messages of all streams tell of all others.
  const isComplete = (): boolean => {
    for (let number = first + Math.max(0, count - workload.streams); number < first + count; number++) {
      if (readableMs[number] === 0) return false;
    }
    return true;
  };
  await new Promise<void>((resolve) => {
    const poll = (): void => {
      if (isComplete() || monotonicMs() > deadlineMs) resolve();
      else setTimeout(poll, POLL_MS);
    };
    poll();
  });
  return { readableMs: readableMs.slice(first, first + count), holes };
}

serve({
  async open(options) {
    workload = options.workload;
    lastSequences = new Float64Array(workload.streams);
    const client = await RawNats.connect(options.natsUrl, takeRange);
    client.subscribe(liveSubject("*"));
    await client.flush();
  },
  await: (options) => awaitArrivals(options.first, options.count, options.timeoutMs),
} satisfies LiveListener);
