import { MemoryLog, MemoryPressureFeed, MemoryStreamLog } from "@sluice/memory";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ClusterPressure } from "./cluster-pressure.ts";
import { StreamManager, type ProducerSettings, type StreamHandle } from "./index.ts";

const PARTITION = 0;

let log: MemoryLog;
let pressureFeed: MemoryPressureFeed;
/** What `saturate` started goes on until then. */
let over: { isOver: boolean };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"] });
  log = new MemoryLog({ partitions: 1 });
  pressureFeed = new MemoryPressureFeed();
  over = { isOver: false };
});
afterEach(() => {
  if (vi.getTimerCount() > 0) throw new Error("a timer is left behind");
  vi.useRealTimers();
});

async function openHandles(count: number, settings: Partial<ProducerSettings>): Promise<StreamHandle[]> {
  const manager = new StreamManager({ log: new MemoryStreamLog(log), settings, pressureFeed });
  const opened = await Promise.all(Array.from({ length: count }, () => manager.createStream()));
  return opened.map(({ handle }) => handle);
}

/** Twenty senders, each one send after the other; what isn't let in for ten seconds is tried again. */
function saturate(handle: StreamHandle, sent: number[], text = "x"): void {
  const send = async (): Promise<void> => {
    while (!over.isOver) {
      const receipt = await handle.sendText(text).catch(() => null);
      if (receipt !== null) sent.push(performance.now());
    }
  };
  for (let sender = 0; sender < 20; sender++) void send();
}

async function runFor(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

async function finish(): Promise<void> {
  over.isOver = true;
  await runFor(60_000);
}

test("a stream sends no more chunks a second than it may, evenly, and loses none", async () => {
  const [handle] = await openHandles(1, { maxChunksPerSecond: 20 });
  const sent: number[] = [];
  saturate(handle!, sent);
  await runFor(10_000);
  expect(sent.length).toBeGreaterThanOrEqual(195);
  expect(sent.length).toBeLessThanOrEqual(206);
  const perSecond = Array.from({ length: 9 }, (_, second) => {
    return sent.filter((at) => at >= (second + 1) * 1_000 && at < (second + 2) * 1_000).length;
  });
  expect(Math.max(...perSecond)).toBeLessThanOrEqual(22);
  await finish();
});

test("a stream sends no more bytes a second than it may", async () => {
  const [handle] = await openHandles(1, { maxBytesPerSecond: 10_000 });
  const sent: number[] = [];
  saturate(handle!, sent, "x".repeat(956));
  await runFor(10_000);
  expect(sent.length).toBeGreaterThan(90);
  expect(sent.length).toBeLessThanOrEqual(103);
  await finish();
});

test("all streams of a process keep to its rate together, and each gets its turn", async () => {
  const handles = await openHandles(5, { maxTotalChunksPerSecond: 100 });
  const sent = handles.map((): number[] => []);
  for (const [index, handle] of handles.entries()) saturate(handle, sent[index]!);
  await runFor(10_000);
  const counts = sent.map((of) => of.length);
  expect(counts.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(1_030);
  expect(Math.min(...counts)).toBeGreaterThan(150);
  await finish();
});

test("chunks that are sent together pass though they are more than a burst, and small ones don't pass them over", async () => {
  const [busy, large] = await openHandles(2, { maxTotalChunksPerSecond: 40 });
  const sent: number[] = [];
  saturate(busy!, sent);
  const together = large!.sendAll(Array.from({ length: 60 }, () => ({ type: "Text", content: "x" })));
  let isStored = false;
  void together.then(() => (isStored = true));
  await runFor(2_000);
  expect(isStored).toBe(true);
  await finish();
});

test("a rate that holds a send back for longer than ten seconds refuses it, surely not sent", async () => {
  const [handle] = await openHandles(1, { maxChunksPerSecond: 1, bufferSize: 10 });
  const sends = Array.from({ length: 30 }, (_, index) =>
    handle!.sendText(String(index)).then(
      () => "sent",
      (error: { code: string }) => error.code,
    ),
  );
  await runFor(60_000);
  const outcomes = await Promise.all(sends);
  const refused = outcomes.filter((outcome) => outcome === "BACKPRESSURE_EXCEEDED").length;
  expect(refused).toBeGreaterThan(0);
  expect(outcomes.filter((outcome) => outcome === "sent").length).toBe(30 - refused);
  expect(log.messages.length - 1).toBe(30 - refused);
});

test("under the cluster's pressure a stream's messages come further apart, and hold more", async () => {
  const [handle] = await openHandles(1, {});
  const sent: number[] = [];
  const pressed = { partition: PARTITION, lagMs: 4_000, fullness: 0 };
  pressureFeed.publishPressure(pressed);
  await new Promise(setImmediate);
  saturate(handle!, sent);
  await runFor(2_000);
  const messages = log.messages.length - 1;
  expect(messages).toBeGreaterThanOrEqual(5);
  expect(messages).toBeLessThanOrEqual(6);
  expect(sent.length).toBeGreaterThanOrEqual(20 * (messages - 1));
  pressureFeed.publishPressure({ ...pressed, lagMs: 0 });
  await new Promise(setImmediate);
  over.isOver = true;
  await runFor(400);
  const before = performance.now();
  await handle!.sendText("free");
  expect(performance.now()).toBe(before);
});

test("the pressure's law: a tenth of the lag or what the log is too full, at most a second, fading in silence", async () => {
  const pressure = new ClusterPressure(pressureFeed);
  const now = (): number => Math.round(pressure.spacingMs(7));
  const spacing = async (lagMs: number, fullness: number): Promise<number> => {
    pressureFeed.publishPressure({ partition: 7, lagMs, fullness });
    await new Promise(setImmediate);
    return now();
  };
  expect(await spacing(900, 0.8)).toBe(0);
  expect(await spacing(1_500, 0)).toBe(150);
  expect(await spacing(90_000, 0)).toBe(1_000);
  expect(await spacing(1_500, 0.9)).toBe(500);
  expect(await spacing(0, 1)).toBe(1_000);
  expect(pressure.spacingMs(8)).toBe(0);
  await runFor(3_000);
  expect(now()).toBe(1_000);
  await runFor(1_000);
  expect(now()).toBe(500);
  await runFor(10_000);
  expect(now()).toBe(0);
  pressure.close();
  expect(pressureFeed.openSubscriptions).toBe(0);
});
