import { setTimeout as delay } from "node:timers/promises";
import { monotonicMs } from "./clock.ts";
import { Latencies, type LatencyCounts } from "./latencies.ts";
import { stampedText, type Workload } from "./workload.ts";

export interface SendRun {
  acked: number;
  /** Sends that failed; there must be none. */
  failed: number;
  /** Time from the call of the sender to its acknowledgement. */
  latencies: LatencyCounts;
  /** Time from the first send to the last acknowledgement. */
  seconds: number;
}

/** Sends a text on one stream; resolves when it is acknowledged. */
export type Sender = (text: string) => Promise<unknown>;

/** Orders that every publisher takes for its streams, whichever way they are written. */
export interface Publisher {
  /** Sends at a constant rate, all streams in turn. */
  runPaced(options: { chunksPerSecond: number; durationMs: number }): Promise<SendRun>;
  /** Each stream sends as fast as it may, with so many sends unanswered. */
  runUnpaced(options: { unanswered: number; durationMs: number }): Promise<SendRun>;
}

const TICK_MS = 1;

/** The sending side of a publisher: one sender a stream. */
export class Sending implements Publisher {
  readonly #workload: Workload;
  readonly #senders: readonly Sender[];
  #sent = 0;

  constructor(workload: Workload, senders: readonly Sender[]) {
    this.#workload = workload;
    this.#senders = senders;
  }

  async runPaced({ chunksPerSecond, durationMs }: Parameters<Publisher["runPaced"]>[0]): Promise<SendRun> {
    const tally = new Tally();
    const total = Math.round((chunksPerSecond * durationMs) / 1000);
    const startedMs = monotonicMs();
    const sends: Promise<void>[] = [];
    while (sends.length < total) {
      const due = Math.min(total, Math.ceil(((monotonicMs() - startedMs) * chunksPerSecond) / 1000));
      while (sends.length < due) {
        const sender = this.#senders[sends.length % this.#senders.length];
        if (sender !== undefined) sends.push(this.#send(sender, tally));
      }
      await delay(TICK_MS);
    }
    await Promise.all(sends);
    return tally.report();
  }

  async runUnpaced({ unanswered, durationMs }: Parameters<Publisher["runUnpaced"]>[0]): Promise<SendRun> {
    const tally = new Tally();
    const deadlineMs = monotonicMs() + durationMs;
    const sendOnAndOn = async (sender: Sender): Promise<void> => {
      while (monotonicMs() < deadlineMs) await this.#send(sender, tally);
    };
    const lines = this.#senders.flatMap((sender) => Array.from({ length: unanswered }, () => sender));
    await Promise.all(lines.map(sendOnAndOn));
    return tally.report();
  }

  async #send(sender: Sender, tally: Tally): Promise<void> {
    const nowMs = monotonicMs();
    try {
      await sender(stampedText(this.#workload.chunkBytes, nowMs, this.#sent++));
      tally.acked(nowMs);
    } catch (error) {
      tally.failed(error);
    }
  }
}

class Tally {
  readonly #latencies = new Latencies();
  readonly #startedMs = monotonicMs();
  #acked = 0;
  #failed = 0;
  #firstFailure: unknown = null;

  acked(sentMs: number): void {
    this.#acked += 1;
    this.#latencies.add(monotonicMs() - sentMs);
  }

  failed(error: unknown): void {
    this.#failed += 1;
    this.#firstFailure ??= error;
  }

  report(): SendRun {
    if (this.#firstFailure !== null) console.error(this.#firstFailure);
    return {
      acked: this.#acked,
      failed: this.#failed,
      latencies: this.#latencies.counts,
      seconds: (monotonicMs() - this.#startedMs) / 1000,
    };
  }
}
