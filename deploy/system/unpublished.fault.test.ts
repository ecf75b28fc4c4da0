import { decodeLiveMessage, liveSubject } from "@sluice/protocol";
import { startNats, startFaultProxy, type FaultProxy } from "@sluice/testing";
import type { ServerHandle } from "@sluice/servers";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { Load } from "./load.ts";
import { startStack, sumOver, type Stack } from "./stack.ts";

const STREAMS = { streams: 300, bareStreams: 20, paceMs: 400 };
const WAIT = { timeout: 30_000, interval: 50 };
/** The slowest of all remedies would hide that a faster one is missing. */
const NO_HEAD_CHECKS = { HEAD_CHECK_INTERVAL_MS: "3600000" };

let nats: ServerHandle;
let proxy: FaultProxy;
let stack: Stack;
/** What ingest published and nobody got, since `withhold`. */
let withheld: Map<string, { last: number; isTerminal: boolean }>;

beforeAll(async () => {
  nats = await startNats({ local: true });
  proxy = await startFaultProxy(nats.url);
  proxy.onWithheld((subject, payload) => {
    const range = decodeLiveMessage(payload);
    if (range !== null) withheld.set(subject, range);
  });
  stack = await startStack({
    natsUrl: nats.url,
    ingest: 1,
    edges: 2,
    env: { ingest: { NATS_URL: proxy.url }, edge: NO_HEAD_CHECKS },
  });
});
afterAll(async () => {
  await stack.stop();
  await proxy.close();
  await nats.stop();
});

afterEach(() => proxy.withhold(null));

function withhold(...prefixes: string[]): void {
  withheld = new Map();
  proxy.withhold((subject) => prefixes.some((prefix) => subject.startsWith(prefix)));
}

/** Those of whose messages, by the last one withheld, this is true. Ingest publishes after it has written. */
function withheldStreams(load: Load, isMeant: (range: { isTerminal: boolean }) => boolean): number {
  const ranges = load.streamIds.map((streamId) => withheld.get(liveSubject(streamId)));
  return ranges.filter((range) => range !== undefined && isMeant(range)).length;
}

async function dieUnpublished(): Promise<void> {
  const ingest = stack.service("ingest-1");
  const { pid } = ingest;
  await ingest.kill();
  proxy.withhold(null);
  await ingest.restart();
  expect(ingest.pid).not.toBe(pid);
}

test("an ingest that dies after writing chunks of 320 streams and before telling anybody loses none of them, not even the ends", async () => {
  const load = await Load.start({ ...stack, ...STREAMS, name: "unpublished" });
  await load.write(2);
  withhold("live.", "tail.");
  await load.write(1);
  await expect.poll(() => withheldStreams(load, () => true), WAIT).toBe(320);
  await dieUnpublished();
  await load.write(1);
  await load.catchUp();

  withhold("live.", "tail.");
  await load.end();
  await expect.poll(() => withheldStreams(load, (range) => range.isTerminal), WAIT).toBe(320);
  // A few happened to read a page just now, for another reason. The others can learn of it from a successor only.
  expect(load.endsSeen).toBeLessThan(100);
  await dieUnpublished();
  await load.finish();
  expect(await sumOver(stack, "edge", "sluice_edge_lost_tails_total")).toBeGreaterThanOrEqual(320);
});

test("live messages that never arrive keep no reader of 320 streams waiting: the announced tails tell of them, the last ones too", async () => {
  const load = await Load.start({ ...stack, ...STREAMS, name: "unheard" });
  await load.write(1);
  const lostBefore = await sumOver(stack, "edge", "sluice_edge_lost_tails_total");
  withhold("live.");
  await load.write(5);
  await load.catchUp();
  await load.end();
  await expect.poll(() => withheldStreams(load, (range) => range.isTerminal), WAIT).toBe(320);
  await load.finish();
  const lost = (await sumOver(stack, "edge", "sluice_edge_lost_tails_total")) - lostBefore;
  expect(lost).toBeGreaterThan(320 * 2);
});

test("one live message in ten that never arrives keeps no reader of 320 streams waiting, nor makes one see a hole", async () => {
  const load = await Load.start({ ...stack, ...STREAMS, name: "thinned" });
  const repairsBefore = await sumOver(stack, "edge", "sluice_edge_repairs_total");
  withheld = new Map();
  proxy.withhold((subject) => subject.startsWith("live.") && Math.random() < 0.1);
  await load.write(8);
  await load.end();
  await load.finish();
  expect(withheld.size).toBeGreaterThan(100);
  expect((await sumOver(stack, "edge", "sluice_edge_repairs_total")) - repairsBefore).toBeGreaterThan(100);
});
