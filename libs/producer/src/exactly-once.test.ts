import {
  numberEntry,
  partitionOf,
  StreamError,
  type OutgoingMessage,
  type StreamHead,
  type StreamLog,
} from "@sluice/core";
import { decodeMessage, MAX_CHUNK_BYTES } from "@sluice/protocol";
import { MemoryLog, MemoryReceiptFeed, MemoryStreamLog } from "@sluice/memory";
import * as fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { StreamManager, type SendReceipt, type StreamHandle } from "./index.ts";

const STREAM = "s";
const RUNS = 1_000;

/** A way to the log on which requests wait until the test decides what becomes of them. */
class ScheduledNetwork implements StreamLog {
  readonly #log: MemoryStreamLog;
  readonly #requests: { message: OutgoingMessage; answer: PromiseWithResolvers<Outcome>; isLate: boolean }[] =
    [];
  isPassing = true;

  constructor(log: MemoryLog) {
    this.#log = new MemoryStreamLog(log);
  }

  get maxMessageBytes(): number {
    return this.#log.maxMessageBytes;
  }

  get partitions(): number {
    return this.#log.partitions;
  }

  append(message: OutgoingMessage): Promise<Outcome> {
    if (this.isPassing) return this.#log.append(message);
    const answer = Promise.withResolvers<Outcome>();
    this.#requests.push({ message, answer, isLate: false });
    return answer.promise;
  }

  lastMessage(streamId: string) {
    return this.#log.lastMessage(streamId);
  }

  firstAfter(streamId: string, brokerSequence: number) {
    return this.#log.firstAfter(streamId, brokerSequence);
  }

  purgeBefore(streamId: string, brokerSequence: number) {
    return this.#log.purgeBefore(streamId, brokerSequence);
  }

  fullness() {
    return this.#log.fullness();
  }

  /** Requests arrive in any order. */
  async deliver(index: number, isAckLost: boolean): Promise<void> {
    const [request] = this.#requests.splice(index % Math.max(this.#requests.length, 1), 1);
    if (request === undefined) return;
    try {
      const outcome = await this.#log.append(request.message);
      request.answer.resolve(isAckLost ? unknown("lost ack") : outcome);
    } catch (error) {
      request.answer.reject(error);
    }
  }

  /** The request's sender hears that nobody knows; the request goes on. */
  delay(index: number): void {
    const request = this.#requests[index % Math.max(this.#requests.length, 1)];
    request?.answer.resolve(unknown("late"));
  }

  drop(index: number): void {
    const [request] = this.#requests.splice(index % Math.max(this.#requests.length, 1), 1);
    request?.answer.resolve(unknown("lost request"));
  }

  refuse(index: number, code: "LOG_UNAVAILABLE" | "LOG_FULL"): void {
    const [request] = this.#requests.splice(index % Math.max(this.#requests.length, 1), 1);
    request?.answer.reject(new StreamError(code, "refused"));
  }

  async deliverAll(): Promise<void> {
    while (this.#requests.length > 0) await this.deliver(0, false);
  }
}

type Outcome = Awaited<ReturnType<StreamLog["append"]>>;

const unknown = (cause: string): Outcome => ({ kind: "unknown", cause });

interface Sent {
  text: string;
  sentAt: number;
  settledAt: number;
  outcome: { receipt: SendReceipt } | { error: StreamError } | null;
}

/** A worker that holds a handle. */
class Worker {
  readonly name: string;
  readonly sent: Sent[] = [];
  handle: StreamHandle | null = null;
  #moment = 0;

  constructor(name: string) {
    this.name = name;
  }

  send(isConfirmed = false): void {
    if (this.handle === null) return;
    const entry: Sent = {
      text: `${this.name}${this.sent.length}`,
      sentAt: this.#moment++,
      settledAt: Infinity,
      outcome: null,
    };
    this.sent.push(entry);
    const settle = (outcome: Sent["outcome"]): void => {
      entry.settledAt = this.#moment++;
      entry.outcome = outcome;
    };
    const confirm = isConfirmed ? "sequenced" : "durable";
    this.handle.send({ type: "Text", content: entry.text }, { confirm }).then(
      (receipt) => settle({ receipt }),
      (error: StreamError) => settle({ error }),
    );
  }
}

interface Place {
  text: string;
  sequence: number;
  brokerSequence: number;
}

/** The stream's chunks as any reader numbers them. */
function readLog(log: MemoryLog): Place[] {
  const chunks: Place[] = [];
  let head: StreamHead | null = null;
  for (const message of log.messages) {
    const entry = decodeMessage(message, MAX_CHUNK_BYTES);
    const numbering = numberEntry(head, entry);
    if (numbering.kind !== "numbered") throw new Error(numbering.kind);
    head = numbering.head;
    for (const [index, element] of entry.elements.entries()) {
      const text = element.kind === "chunk" ? /"content":"(\w+)"/.exec(element.body)?.[1] : undefined;
      chunks.push({
        text: text ?? "?",
        sequence: numbering.first + index,
        brokerSequence: message.brokerSequence,
      });
    }
  }
  return chunks;
}

const index = fc.nat(3);
const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("send" as const), worker: fc.nat(1), isConfirmed: fc.boolean() }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("deliver" as const), index }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("loseAck" as const), index }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("delay" as const), index }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("drop" as const), index }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("refuse" as const), index }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("fill" as const), index }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(20, 200, 1_500) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("cut" as const), isReachable: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("open" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("ingest" as const), isReceiptLost: fc.boolean() }) },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

/** The partition's owner: numbers what has come into the log since the last time, and tells those who asked, or dies first. */
class Owner {
  readonly feed = new MemoryReceiptFeed();
  readonly #log: MemoryLog;
  #head: StreamHead | null = null;

  constructor(log: MemoryLog) {
    this.#log = log;
    this.feed.answerHeads(partitionOf(STREAM, log.partitions), async () => this.#head);
  }

  async ingest(isReceiptLost: boolean): Promise<void> {
    for (const message of this.#log.messages) {
      const numbering = numberEntry(this.#head, decodeMessage(message, MAX_CHUNK_BYTES));
      if (numbering.kind !== "numbered") continue;
      this.#head = numbering.head;
      const { brokerSequence, receiptTo } = message;
      if (receiptTo === null || isReceiptLost) continue;
      this.feed.publishReceipt(receiptTo, { brokerSequence, first: numbering.first, count: numbering.count });
    }
    await new Promise(setImmediate);
  }
}

class World {
  readonly log = new MemoryLog();
  readonly network = new ScheduledNetwork(this.log);
  readonly owner = new Owner(this.log);
  readonly workers: [Worker, Worker] = [new Worker("a"), new Worker("b")];
  readonly manager: StreamManager;

  constructor(mode: "exclusive" | "shared", publishTimeoutMs: number) {
    this.manager = new StreamManager({
      log: this.network,
      receiptFeed: this.owner.feed,
      settings: { publishTimeoutMs },
    });
    this.mode = mode;
  }

  readonly mode: "exclusive" | "shared";

  async start(): Promise<void> {
    const { handle } = await this.manager.createStream({ streamId: STREAM, mode: this.mode });
    this.workers[0].handle = handle;
    if (this.mode === "shared") await this.open();
    this.network.isPassing = false;
  }

  async open(): Promise<void> {
    this.network.isPassing = true;
    const opening = this.manager.openStream(STREAM, { mode: this.mode }).catch(() => null);
    await vi.advanceTimersByTimeAsync(0);
    this.network.isPassing = false;
    this.workers[1].handle ??= await opening;
  }

  async run(action: Action): Promise<void> {
    if (action.do === "send") this.workers[action.worker]?.send(action.isConfirmed);
    if (action.do === "ingest") await this.owner.ingest(action.isReceiptLost);
    if (action.do === "deliver") await this.network.deliver(action.index, false);
    if (action.do === "loseAck") await this.network.deliver(action.index, true);
    if (action.do === "delay") this.network.delay(action.index);
    if (action.do === "drop") this.network.drop(action.index);
    if (action.do === "refuse") this.network.refuse(action.index, "LOG_UNAVAILABLE");
    if (action.do === "fill") this.network.refuse(action.index, "LOG_FULL");
    if (action.do === "wait") await vi.advanceTimersByTimeAsync(action.ms);
    if (action.do === "cut") this.log.setReachable(action.isReachable);
    if (action.do === "open" && this.workers[1].handle === null && this.log.isReachable) await this.open();
    await vi.advanceTimersByTimeAsync(0);
  }

  async settle(): Promise<void> {
    this.log.setReachable(true);
    this.network.isPassing = true;
    for (const _round of [1, 2, 3]) {
      await this.network.deliverAll();
      await this.owner.ingest(false);
      await vi.advanceTimersByTimeAsync(5_000);
    }
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

async function play(world: World, actions: readonly Action[]): Promise<void> {
  await world.start();
  for (const action of actions) await world.run(action);
  await world.settle();
}

/** Every way in which the promises to the application are broken. */
function brokenPromises(world: World): string[] {
  const stored = readLog(world.log);
  const problems: string[] = [];
  for (const worker of world.workers) {
    for (const { text, outcome } of worker.sent) {
      const places = stored.filter((chunk) => chunk.text === text);
      if (places.length > 1) problems.push(`${text} is stored ${places.length} times`);
      if (outcome === null) problems.push(`${text} never settled`);
      else if ("receipt" in outcome) problems.push(...contradictions(text, outcome.receipt, places[0]));
      else if (outcome.error.details["may_be_stored"] !== true && places.length > 0) {
        problems.push(`${text} was refused, but is stored`);
      }
    }
    problems.push(...disorder(worker, stored));
  }
  return problems;
}

function contradictions(text: string, receipt: SendReceipt, place: Place | undefined): string[] {
  if (place === undefined) return [`${text} was acknowledged, but isn't stored`];
  const isRight = place.sequence === receipt.sequence && place.brokerSequence === receipt.brokerSequence;
  return isRight ? [] : [`${text} was acknowledged as ${receipt.sequence}, but is ${place.sequence}`];
}

function disorder(worker: Worker, stored: readonly Place[]): string[] {
  const problems: string[] = [];
  const isStored = (sent: Sent): boolean => stored.some((chunk) => chunk.text === sent.text);
  const missing = worker.sent.filter((sent) => !isStored(sent));
  for (const sent of worker.sent.filter(isStored)) {
    const hole = missing.find((other) => other.sentAt < sent.sentAt && sent.sentAt < other.settledAt);
    if (hole !== undefined)
      problems.push(`${sent.text} is stored without ${hole.text}, which was sent before`);
  }
  const order = worker.sent.map(({ text }) => text);
  const ranks = stored.map(({ text }) => order.indexOf(text)).filter((rank) => rank >= 0);
  if (ranks.some((rank, at) => rank < (ranks[at - 1] ?? 0)))
    problems.push(`${worker.name} stands as ${ranks.join(" ")}`);
  return problems;
}

/** Sees that a handle which nothing has ended still works. */
async function checkNotStuck(worker: Worker): Promise<void> {
  worker.send();
  await vi.advanceTimersByTimeAsync(5_000);
  const outcome = worker.sent.at(-1)?.outcome;
  if (outcome !== undefined && outcome !== null && "error" in outcome) throw outcome.error;
}

const timeouts = fc.constantFrom(1_000, 30_000, Infinity);

test("whatever requests and answers are lost, delayed or refused, what is acknowledged is stored once, in order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 60 }), timeouts, async (actions, publishTimeoutMs) => {
      const world = new World("exclusive", publishTimeoutMs);
      await play(world, actions);
      expect(brokenPromises(world)).toEqual([]);
    }),
    { numRuns: RUNS },
  );
});

test("once another handle is open the old one never writes again, and the new one always can", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 60 }), timeouts, async (actions, publishTimeoutMs) => {
      const world = new World("exclusive", publishTimeoutMs);
      await play(world, [...actions]);
      const [old, current] = world.workers;
      if (current.handle === null) {
        await checkNotStuck(old);
        return;
      }
      const opened = world.log.messages.findIndex(
        ({ messageId, payload }, at) => at > 0 && isTakeOver(messageId, payload),
      );
      expect(opened).toBeGreaterThan(0);
      const after = world.log.messages.slice(opened).map(({ payload }) => Buffer.from(payload).toString());
      expect(after.filter((payload) => payload.includes('"content":"a'))).toEqual([]);
      await checkNotStuck(current);
      old.send();
      await vi.advanceTimersByTimeAsync(5_000);
      expect(old.sent.at(-1)?.outcome).toMatchObject({ error: { code: "FENCED" } });
    }),
    { numRuns: RUNS },
  );
});

test("shared handles interleave, each in its own order, and none is fenced", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 60 }), timeouts, async (actions, publishTimeoutMs) => {
      const world = new World("shared", publishTimeoutMs);
      await play(world, actions);
      for (const worker of world.workers) await checkNotStuck(worker);
      expect(brokenPromises(world)).toEqual([]);
      const errors = world.workers.flatMap(({ sent }) => sent.map(({ outcome }) => outcome));
      expect(errors).not.toContainEqual({ error: expect.objectContaining({ code: "FENCED" }) });
    }),
    { numRuns: RUNS },
  );
});

test("with no time limit, what is stored is what was sent, from the first to the last", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
      const world = new World("exclusive", Infinity);
      await play(
        world,
        actions.filter((action) => action.do !== "open" && action.do !== "fill"),
      );
      const sent = world.workers[0].sent.map(({ text }) => text);
      expect(readLog(world.log).map(({ text }) => text)).toEqual(sent);
    }),
    { numRuns: RUNS },
  );
});

function isTakeOver(messageId: string | null, payload: Uint8Array): boolean {
  return messageId !== null && Buffer.from(payload).toString() === "[]";
}
