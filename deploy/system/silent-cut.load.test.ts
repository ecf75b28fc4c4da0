import { startNats, startFaultProxy } from "@sluice/testing";
import { httpAnswersOk } from "@sluice/servers";
import { expect, test } from "vitest";
import { Load } from "./load.ts";
import { startStack, type Stack } from "./stack.ts";

const WAIT = { timeout: 60_000, interval: 100 };
const EDGES = ["edge-1", "edge-2"];
const INGESTS = ["ingest-1", "ingest-2"];

/** Owners tell for 3 s, once a second, which streams have changed. */
const ANNOUNCED_MS = 5_000;

/**
 * Fewest streams that must not have heard anything when NATS heals, or the test proves nothing. Never all: an edge that
 * a reader joins meanwhile looks at the stream's head once, for all its readers.
 */
const UNHEARD = 160;

/** What the machine may take on top of a promised time. */
const SLACK_MS = 10_000;

async function countReady(stack: Stack, names: readonly string[]): Promise<number> {
  const urls = names.map((name) => `${stack.service(name).url}/readyz`);
  return (await Promise.all(urls.map(httpAnswersOk))).filter(Boolean).length;
}

/** Only the edges are behind the proxy: while they are cut off, what they should hear is published. */
async function startBehindProxy(headCheckIntervalMs: number) {
  const started = new AsyncDisposableStack();
  const nats = started.use(await startNats({ local: true }));
  const proxy = started.use(await startFaultProxy(nats.url));
  const edge = { NATS_URL: proxy.url, HEAD_CHECK_INTERVAL_MS: String(headCheckIntervalMs) };
  const stack = started.use(await startStack({ natsUrl: nats.url, ingest: 2, edges: 2, env: { edge } }));
  return { proxy, stack, [Symbol.asyncDispose]: () => started.disposeAsync() };
}

test("edges that NATS is silently cut off from notice it, and once it heals the readers of 320 streams that were written and ended meanwhile have all, and the end, within seconds", async () => {
  // The check of all heads, which needs no NATS, would hide that nothing else is noticed.
  await using cut = await startBehindProxy(3_600_000);
  const { proxy, stack } = cut;
  const load = await Load.start({ ...stack, name: "cut-off", streams: 300, bareStreams: 20, paceMs: 500 });
  await load.catchUp();
  expect(await countReady(stack, EDGES)).toBe(2);

  proxy.pause();
  await load.write(3);
  expect(load.behind).toBeGreaterThanOrEqual(UNHEARD);
  // Nothing comes after it, in any stream, that would show a hole.
  await load.end();
  const endedMs = performance.now();
  // Nobody closed a connection: only missing answers tell.
  await expect.poll(() => countReady(stack, EDGES), WAIT).toBe(0);
  expect(await countReady(stack, INGESTS)).toBe(2);
  // Nor is it announced any more when they are back.
  await expect.poll(() => performance.now() - endedMs, WAIT).toBeGreaterThan(ANNOUNCED_MS);
  expect(320 - load.endsSeen).toBeGreaterThanOrEqual(UNHEARD);
  proxy.resume();
  await expect.poll(() => load.endsSeen, { timeout: SLACK_MS }).toBe(320);
  const report = await load.finish();
  expect(report.failedSends).toBe(0);
});

test("readers of edges that NATS is silently cut off from have what is written meanwhile within the check interval, and the end", async () => {
  const intervalMs = 2_000;
  await using cut = await startBehindProxy(intervalMs);
  const { proxy, stack } = cut;
  const load = await Load.start({ ...stack, name: "unheard", streams: 60, bareStreams: 20, paceMs: 500 });
  await load.catchUp();

  proxy.pause();
  const expectWrittenIsRead = async (): Promise<void> => {
    await load.write(2);
    const writtenMs = performance.now();
    await load.catchUp();
    expect(performance.now() - writtenMs).toBeLessThan(intervalMs + SLACK_MS);
  };
  await expectWrittenIsRead();
  await expect.poll(() => countReady(stack, EDGES), WAIT).toBe(0);
  // It is noticed now, which changes how heads are looked at.
  await expectWrittenIsRead();
  const report = await load.finish();
  expect(report.failedSends).toBe(0);
});
