/** How many beats in a row may get lost. They travel at most once, and one late timer must not cost a stream. */
const MISSED_BEATS = 3;

// About 30 MB a partition. A stream beyond it isn't watched: should its producer die, the idle limit ends it.
const MAX_WATCHED = 100_000;

interface Watched {
  timeoutMs: number;
  /** Broker sequence of the stream's last message. */
  brokerSequence: number;
  heardMs: number;
}

/**
 * When each beating producer of a partition was last heard of.
 *
 * Silence counts only while we listened to log and beats alike, so whoever owns this starts all times anew after a
 * pause of its own. Times are any monotonic clock's, ms.
 */
export class ProducerWatch {
  readonly #minTimeoutMs: number;
  readonly #watched = new Map<string, Watched>();

  /** @param minTimeoutMs no silence shorter than this counts, however fast a producer beats */
  constructor(minTimeoutMs: number) {
    this.#minTimeoutMs = minTimeoutMs;
  }

  get size(): number {
    return this.#watched.size;
  }

  has(streamId: string): boolean {
    return this.#watched.has(streamId);
  }

  /** A message of a producer that beats: a sign of life, too. */
  watch(streamId: string, beatIntervalMs: number, brokerSequence: number, nowMs: number): void {
    if (this.#watched.size >= MAX_WATCHED && !this.#watched.has(streamId)) return;
    const timeoutMs = Math.max(this.#minTimeoutMs, MISSED_BEATS * beatIntervalMs);
    this.#watched.set(streamId, { timeoutMs, brokerSequence, heardMs: nowMs });
  }

  /**
   * A beat. @param brokerSequence of the last message that its sender knows to be stored: where it isn't the stream's
   * last one, another producer has replaced the sender, and its life says nothing. Null: it didn't say.
   */
  heard(streamId: string, brokerSequence: number | null, nowMs: number): void {
    const watched = this.#watched.get(streamId);
    if (watched === undefined) return;
    if (brokerSequence === null || brokerSequence >= watched.brokerSequence) watched.heardMs = nowMs;
  }

  /** Stops watching: the stream has ended, or goes on with a producer that doesn't beat. */
  forget(streamId: string): void {
    this.#watched.delete(streamId);
  }

  /** Nothing that was not heard so far counts. */
  startAnew(nowMs: number): void {
    for (const watched of this.#watched.values()) watched.heardMs = nowMs;
  }

  /** Returns the streams that were silent for too long, each again only after another such silence. */
  takeSilent(nowMs: number): string[] {
    const silent: string[] = [];
    for (const [streamId, watched] of this.#watched) {
      if (nowMs - watched.heardMs < watched.timeoutMs) continue;
      watched.heardMs = nowMs;
      silent.push(streamId);
    }
    return silent;
  }

  /** Whether nothing was heard, nor begun anew, since it was told as silent at that time. */
  isSilentSince(streamId: string, toldMs: number): boolean {
    const watched = this.#watched.get(streamId);
    return watched !== undefined && watched.heardMs <= toldMs;
  }
}
