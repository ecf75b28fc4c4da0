import { randomBytes } from "node:crypto";
import {
  partitionOf,
  type CancelFeed,
  type LiveFeed,
  type PressureFeed,
  type ReaderPresence,
  type ReceiptFeed,
  type StreamLog,
} from "@sluice/core";
import { Cancellation } from "./cancellation.ts";
import { ClusterPressure } from "./cluster-pressure.ts";
import { StreamPublisher, type HandleMode } from "./publisher.ts";
import type { RateLimit } from "./rate-limit.ts";
import { ReceiptTracker } from "./receipt-tracker.ts";
import { DEFAULT_SETTINGS, type ProducerSettings } from "./settings.ts";
import type { OpenOptions } from "./stream-creation.ts";
import { StreamHandle } from "./stream-handle.ts";
import type { StreamPosition } from "./stream-position.ts";
import { Throttle, totalRateOf } from "./throttle.ts";

/** Ports that handles need. */
export interface HandleOptions {
  /** Log that streams are written to. */
  log: StreamLog;
  /** Bounds of every handle. Those that are absent have the defaults of {@link ProducerSettings}. */
  settings?: Partial<ProducerSettings>;
  /** Feed that handles beat on. Without it they don't, and a stream whose producer dies stays open until the idle limit. */
  liveFeed?: Pick<LiveFeed, "publishBeat">;
  /** Feed that tells handles to stop. Without it they only learn that others ended their stream. */
  cancelFeed?: Pick<CancelFeed, "onCancel">;
  /** Answers {@link StreamHandle.isConnected}. */
  readerPresence?: Pick<ReaderPresence, "hasReader">;
  /** Feed of the cluster's pressure. Without it nothing but the log itself slows a producer down. */
  pressureFeed?: Pick<PressureFeed, "subscribePressure">;
  /** Feed that confirms chunks, and knows ids that were used before the log's time. */
  receiptFeed?: ReceiptFeed;
}

/** Beat that a publisher promises, and the name that its message ids begin with; a random name if absent. */
interface PublisherIdentity {
  beatIntervalMs?: number | null;
  name?: string | undefined;
}

/** Makes handles and their publishers, from what all of a manager share, and closes them. */
export class StreamHandles {
  readonly #parts: HandleOptions;
  readonly #settings: ProducerSettings;
  readonly #pressure: ClusterPressure;
  readonly #totalRate: RateLimit;
  readonly #receipts: ReceiptTracker | null;
  readonly #unclosed = new Set<StreamHandle>();

  constructor(parts: HandleOptions) {
    this.#parts = parts;
    this.#settings = { ...DEFAULT_SETTINGS, ...parts.settings };
    this.#pressure = new ClusterPressure(parts.pressureFeed);
    this.#totalRate = totalRateOf(this.#settings);
    const { receiptFeed, log } = parts;
    this.#receipts =
      receiptFeed === undefined
        ? null
        : new ReceiptTracker(receiptFeed, log.partitions, this.#settings.confirmTimeoutMs);
  }

  /** Chooses the beat. A shared stream has none: others write to it too, so it has no producer to be lost. */
  beatIntervalMs(mode: HandleMode): number | null {
    return mode === "exclusive" && this.#parts.liveFeed !== undefined ? this.#settings.beatIntervalMs : null;
  }

  publisher(
    streamId: string,
    mode: HandleMode,
    position: StreamPosition,
    { beatIntervalMs = null, name }: PublisherIdentity = {},
  ): StreamPublisher {
    return new StreamPublisher({
      log: this.#parts.log,
      streamId,
      handleId: name ?? randomBytes(12).toString("base64url"),
      mode,
      position,
      settings: this.#settings,
      beatIntervalMs,
    });
  }

  open(
    streamId: string,
    position: StreamPosition,
    { mode = "exclusive", confirm = "durable" }: OpenOptions = {},
    { beatIntervalMs = this.beatIntervalMs(mode), name }: PublisherIdentity = {},
  ): StreamHandle {
    const { log, liveFeed, cancelFeed, readerPresence } = this.#parts;
    const handle = new StreamHandle({
      streamId,
      publisher: this.publisher(streamId, mode, position, { beatIntervalMs, name }),
      settings: this.#settings,
      throttle: new Throttle({
        settings: this.#settings,
        total: this.#totalRate,
        pressure: this.#pressure,
        partition: partitionOf(streamId, log.partitions),
      }),
      receipts: this.#receipts,
      confirm,
      cancellation: new Cancellation(cancelFeed, streamId),
      readerPresence: readerPresence ?? null,
      maxMessageBytes: log.maxMessageBytes,
      beat:
        beatIntervalMs === null ? null : (brokerSequence) => liveFeed?.publishBeat(streamId, brokerSequence),
      onClose: () => void this.#unclosed.delete(handle),
    });
    this.#unclosed.add(handle);
    return handle;
  }

  /** Resolves once all sends have settled. */
  async close(): Promise<void> {
    await Promise.all([...this.#unclosed].map((handle) => handle.close()));
    this.#receipts?.close();
    this.#pressure.close();
  }
}
