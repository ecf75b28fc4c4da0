import { connectNats } from "@sluice/broker-nats";
import { connectProducer, type ProducerSettings } from "@sluice/producer";
import { waitUntil } from "@sluice/servers";
import { VerifyingReader } from "@sluice/testing";
import { setTimeout as delay } from "node:timers/promises";
import { bareWriter, handleWriter, WrittenStream } from "./written-stream.ts";
import { differences } from "./reading-checks.ts";

export interface LoadOptions {
  natsUrl: string;
  edgeUrl: string;
  /** Begins all stream ids, so that several loads can share a stack. */
  name: string;
  /** Streams written by the SDK. */
  streams: number;
  /** Streams written by bare publishes, without numbers or handles. */
  bareStreams?: number;
  /** Pause between two chunks of a stream, ms. */
  paceMs: number;
  settings?: Partial<ProducerSettings>;
}

/** Counts of a load, once everything was found as promised. */
export interface LoadReport {
  streams: number;
  chunks: number;
  /** Sends that failed, and whose chunks may therefore be missing. */
  failedSends: number;
  readers: number;
  /** Chunks × readers: each delivered once. */
  deliveries: number;
  connections: number;
}

/** A reader, and the sequence that it says it has when it first comes. */
interface Reading {
  readonly stream: WrittenStream;
  readonly reader: VerifyingReader;
  readonly after: number;
  readonly done: Promise<void>;
}

const START_TIMEOUT_MS = 60_000;
const ADVANCE_TIMEOUT_MS = 60_000;
const END_TIMEOUT_MS = 90_000;
const LATEST_JOIN_MS = 12_000;
const CUT_EVERY_MS = 1_000;

/**
 * Many streams being written and read while a test does its worst, until `finish`. Each has a reader from its start on.
 * By the stream's number, another one joins late, or is cut every second, or joins late with a position, or there is none.
 */
export class Load {
  readonly #options: LoadOptions;
  readonly #closers: (() => Promise<void>)[] = [];
  readonly streams: WrittenStream[] = [];
  readonly #firstReaders: VerifyingReader[] = [];
  readonly #readings: Reading[] = [];
  readonly #ending = new AbortController();
  readonly #joining: Promise<void>[] = [];
  #writing: Promise<unknown> = Promise.resolve();
  #failure: Error | null = null;

  private constructor(options: LoadOptions) {
    this.#options = options;
  }

  /** Resolves when all streams are being written and read. */
  static async start(options: LoadOptions): Promise<Load> {
    const load = new Load(options);
    await load.#createStreams();
    for (const [index, stream] of load.streams.entries()) {
      load.#firstReaders.push(load.#read(stream).reader);
      load.#joining.push(load.#joinLater(stream, index));
    }
    load.#writing = Promise.all(load.streams.map((stream) => load.#write(stream)));
    load.#writing.catch((error: unknown) => {
      load.#failure = new Error("a send failed in a way that producers need not expect", { cause: error });
    });
    await load.#until("the first chunk of all streams", START_TIMEOUT_MS, () => {
      return load.#firstReaders.every((reader) => reader.lastSequence > 0);
    });
    return load;
  }

  get streamIds(): string[] {
    return this.streams.map((stream) => stream.streamId);
  }

  /** Chunks that the log has acknowledged. */
  get acknowledged(): number {
    return this.streams.reduce((sum, stream) => sum + stream.acknowledged, 0);
  }

  get failedSends(): number {
    return this.streams.reduce((sum, stream) => sum + stream.failed, 0);
  }

  /** Streams whose first reader has been told the end. */
  get endsSeen(): number {
    return this.#firstReaders.filter((reader) => reader.endedWith !== null).length;
  }

  /** Streams whose first reader lacks something that is acknowledged. */
  get behind(): number {
    return this.streams.filter((stream, index) => {
      return (this.#firstReaders[index]?.lastSequence ?? 0) < stream.acknowledged;
    }).length;
  }

  /** Resolves when that many more chunks of every stream were acknowledged: proves that all are running. */
  async write(chunks: number): Promise<void> {
    const goals = this.streams.map((stream) => stream.acknowledged + chunks);
    await this.#until(`${chunks} more chunks of all streams`, ADVANCE_TIMEOUT_MS, () => {
      return this.streams.every((stream, index) => stream.acknowledged >= (goals[index] ?? 0));
    });
  }

  /** Resolves when all first readers have all that is acknowledged now. */
  async catchUp(): Promise<void> {
    const goals = this.streams.map((stream) => stream.acknowledged);
    await this.#until("the readers of all streams", ADVANCE_TIMEOUT_MS, () => {
      return this.#firstReaders.every((reader, index) => reader.lastSequence >= (goals[index] ?? 0));
    });
  }

  /** Ends all streams; resolves when the ends are acknowledged. */
  async end(): Promise<void> {
    this.#ending.abort();
    await this.#writing;
  }

  /**
   * Ends all streams, waits for all readers, then reads every stream once more from its beginning, and compares.
   * @throws Error with what was found, where a reader misses a chunk, has one twice, out of order or another one than
   * was written, or wasn't told the end
   */
  async finish(): Promise<LoadReport> {
    await this.end();
    await Promise.all(this.#joining);
    await this.#awaitReaders();
    await this.readAgain();
    const found = differences(this.streams, this.#readings);
    await Promise.all(this.#closers.map((close) => close()));
    if (found.length > 0) {
      throw new Error(`${found.length} differences, such as:\n${found.slice(0, 15).join("\n")}`);
    }
    const readers = this.#readings.map(({ reader }) => reader);
    const report: LoadReport = {
      streams: this.streams.length,
      chunks: this.acknowledged,
      failedSends: this.failedSends,
      readers: readers.length,
      deliveries: readers.reduce((sum, reader) => sum + reader.chunks, 0),
      connections: readers.reduce((sum, reader) => sum + reader.connections, 0),
    };
    console.info(`${this.#options.name}: ${JSON.stringify(report)}`);
    return report;
  }

  /** One fresh reader a stream, from the beginning to the end, which must have been written. */
  async readAgain(): Promise<void> {
    for (const stream of this.streams) this.#read(stream);
    await this.#awaitReaders();
  }

  async #createStreams(): Promise<void> {
    const { natsUrl, name, streams, bareStreams = 0, settings = {} } = this.#options;
    const producer = await connectProducer({ servers: natsUrl, settings });
    this.#closers.push(() => producer.close());
    const bare = await connectNats({ servers: natsUrl, name: "bare publishes" });
    this.#closers.push(() => bare.close());
    const handles = Array.from({ length: streams }, async (_, index) => {
      const { handle } = await producer.createStream({ streamId: `${name}-${index}` });
      return new WrittenStream(handle.streamId, handleWriter(handle));
    });
    this.streams.push(...(await Promise.all(handles)));
    for (let index = 0; index < bareStreams; index++) {
      const streamId = `${name}-bare-${index}`;
      this.streams.push(new WrittenStream(streamId, bareWriter(bare, streamId)));
    }
  }

  async #write(stream: WrittenStream): Promise<void> {
    const { paceMs } = this.#options;
    const { signal } = this.#ending;
    // Spread, or all streams would be written in the same millisecond for ever.
    await pause(Math.random() * paceMs, signal);
    for (let round = 1; !signal.aborted; round++) {
      // Now and then several at once, which travel together.
      await stream.write(round % 7 === 0 ? 4 : 1);
      await pause(paceMs, signal);
    }
    await stream.end();
  }

  async #joinLater(stream: WrittenStream, index: number): Promise<void> {
    const kind = index % 4;
    if (kind === 0) return;
    await pause(Math.random() * LATEST_JOIN_MS, this.#ending.signal);
    if (kind === 1) this.#read(stream);
    else if (kind === 2) await this.#cutAgainAndAgain(this.#read(stream));
    else this.#read(stream, Math.floor(Math.random() * stream.acknowledged));
  }

  async #cutAgainAndAgain({ reader }: Reading): Promise<void> {
    while (!this.#ending.signal.aborted) {
      await pause(CUT_EVERY_MS * (0.5 + Math.random()), this.#ending.signal);
      reader.cut();
    }
  }

  #read(stream: WrittenStream, after = 0): Reading {
    const { edgeUrl } = this.#options;
    const { streamId } = stream;
    // Readers of bare publishes may come before the first.
    const reader = new VerifyingReader({ edgeUrl: () => edgeUrl, streamId, query: "wait=20", after });
    const reading = { stream, reader, after, done: reader.run() };
    this.#readings.push(reading);
    return reading;
  }

  async #awaitReaders(): Promise<void> {
    const giveUp = AbortSignal.timeout(END_TIMEOUT_MS);
    const all = Promise.all(this.#readings.map(({ done }) => done));
    await Promise.race([all, pause(END_TIMEOUT_MS, giveUp)]);
    const stuck = this.#readings.filter(({ reader }) => reader.endedWith === null);
    for (const { reader } of stuck) reader.stop();
    if (stuck.length === 0) return;
    const places = stuck.slice(0, 5).map(({ stream, reader }) => {
      return `${stream.streamId} at ${reader.lastSequence} of ${stream.acknowledged}`;
    });
    throw new Error(`${stuck.length} readers were not told the end: ${places.join(", ")}`);
  }

  async #until(what: string, timeoutMs: number, isReached: () => boolean): Promise<void> {
    const probe = async (): Promise<boolean> => {
      if (this.#failure !== null) throw this.#failure;
      return isReached();
    };
    await waitUntil(what, probe, { timeoutMs });
  }
}

/** Ends early, without an error, when the signal is aborted. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
