import type { Logger } from "@sluice/runtime";
import type { EdgeSettings } from "../config.ts";
import { OWN_READS, type PageReads } from "./page-reads.ts";
import { HEAD_ONLY } from "./stream-lookup.ts";

const LOOK_INTERVAL_MS = 1_000;

// One answer over a new connection may be luck, where the cache is at its limit.
const PROBES_TO_BE_SURE = 5;

// Nobody's stream: what counts is that there is an answer.
const PROBED_STREAM = "read-watch";

/**
 * Notices when this pod can serve nobody: reads are wanted, and none succeeds.
 *
 *   well ──no read succeeded for `readStallMs`──▶ not ready ──`readStuckMs`, and new connections are answered──▶ stuck
 *     ◀──────────────────────────────── a read succeeds ────────────────────────────────────┘
 *
 * That Redis answers a ping says nothing of it, so reads are what counts; one of its own stands in where clients have
 * gone. Only where Redis answers the same read over a new connection each time is the fault this process', and may a
 * restart mend it. While Redis is away for everybody a restart would help nobody.
 */
export class ReadWatch {
  readonly #reads: PageReads;
  readonly #probe: () => Promise<void>;
  readonly #settings: Pick<EdgeSettings, "readStallMs" | "readStuckMs">;
  readonly #logger: Logger;
  readonly #timer: NodeJS.Timeout;
  #isLooking = false;
  #answeredProbes = 0;

  /** @param probe reads over a connection of its own; rejects where that isn't answered */
  constructor(
    reads: PageReads,
    probe: () => Promise<void>,
    settings: Pick<EdgeSettings, "readStallMs" | "readStuckMs">,
    logger: Logger,
  ) {
    this.#reads = reads;
    this.#probe = probe;
    this.#settings = settings;
    this.#logger = logger;
    this.#timer = setInterval(() => void this.#look(), LOOK_INTERVAL_MS);
    this.#timer.unref();
  }

  /** Problem for readiness: null, or what is wrong in a few words. */
  get problem(): string | null {
    const { stalledMs } = this.#reads;
    return stalledMs > this.#settings.readStallMs
      ? `no read of the cache has succeeded for ${Math.floor(stalledMs / 1000)} s`
      : null;
  }

  /** Problem for liveness: null, or why a restart is what helps. */
  get fatalProblem(): string | null {
    return this.#answeredProbes < PROBES_TO_BE_SURE
      ? null
      : `${this.problem ?? "reads fail"}, while new connections are answered`;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const { stalledMs } = this.#reads;
    if (stalledMs < LOOK_INTERVAL_MS) {
      this.#answeredProbes = 0;
      return;
    }
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      await Promise.all([this.#readOne(), stalledMs > this.#settings.readStuckMs ? this.#askAnew() : null]);
    } finally {
      this.#isLooking = false;
    }
  }

  /** Reads once by itself. Without that, a pod that isn't ready, and so has no clients, would never learn that reads succeed again. */
  async #readOne(): Promise<void> {
    try {
      await this.#reads.read(PROBED_STREAM, 0, HEAD_ONLY, OWN_READS);
    } catch (error) {
      this.#logger.debug({ err: error }, "reads don't succeed");
    }
  }

  async #askAnew(): Promise<void> {
    try {
      await this.#probe();
      this.#answeredProbes++;
      if (this.#answeredProbes === PROBES_TO_BE_SURE)
        this.#logger.error(
          "reads fail here while new connections are answered: this process must be restarted",
        );
    } catch {
      this.#answeredProbes = 0;
    }
  }
}
