import { setInterval } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Load } from "./load.ts";
import { gaugeOf, startStack, sumOver, type Stack } from "./stack.ts";

const PARTITIONS = 32;
const OWNED = "sluice_ingest_partitions_owned";
const INGESTS = ["ingest-1", "ingest-2", "ingest-3"];
const WAIT = { timeout: 30_000, interval: 100 };

/** Fewest kills, of them fewest of a process that owned partitions, and most that may be needed for these. */
const KILLS = 20;
const OWNERS_KILLED = 10;
const MAX_KILLS = 60;

let stack: Stack;

beforeAll(async () => {
  stack = await startStack({ ingest: INGESTS.length, edges: 2 });
});
afterAll(() => stack.stop());

test("320 streams lose, double and reorder nothing while an ingest is killed every second for 20 seconds and more", async () => {
  const load = await Load.start({ ...stack, name: "killed", streams: 300, bareStreams: 20, paceMs: 400 });
  const before = load.acknowledged;
  const restarts = new Map<string, Promise<void>>();
  const killed: { pid: number | undefined; owned: number }[] = [];
  for await (const _ of setInterval(1_000)) {
    const victim = INGESTS[killed.length % INGESTS.length]!;
    await restarts.get(victim);
    const service = stack.service(victim);
    killed.push({ pid: service.pid, owned: await gaugeOf(service.url, OWNED) });
    await service.kill();
    restarts.set(victim, service.restart());
    // A process that is slow to come back owns nothing yet when its turn comes again.
    const owners = killed.filter(({ owned }) => owned > 0).length;
    if ((killed.length >= KILLS && owners >= OWNERS_KILLED) || killed.length === MAX_KILLS) break;
  }
  await Promise.all(restarts.values());
  expect(load.acknowledged - before).toBeGreaterThan(320 * 20);
  const report = await load.finish();

  expect(new Set(killed.map(({ pid }) => pid)).size).toBe(killed.length);
  expect(killed.filter(({ owned }) => owned > 0).length).toBeGreaterThanOrEqual(OWNERS_KILLED);
  expect(report.failedSends).toBe(0);
});

test("320 streams lose, double and reorder nothing when an owner freezes for 10 seconds, is replaced, and wakes up beside its successor", async () => {
  await expect.poll(() => sumOver(stack, "ingest", OWNED), WAIT).toBe(PARTITIONS);
  const load = await Load.start({ ...stack, name: "frozen", streams: 300, bareStreams: 20, paceMs: 400 });
  const frozen = stack.service("ingest-1");
  const ownedBefore = await gaugeOf(frozen.url, OWNED);
  expect(ownedBefore).toBeGreaterThan(0);
  const lostBefore = await gaugeOf(frozen.url, "sluice_ingest_leases_lost_total");

  const beginMs = performance.now();
  await frozen.pause();
  const ownedByOthers = async (): Promise<number> => {
    const [second, third] = await Promise.all(
      ["ingest-2", "ingest-3"].map((name) => gaugeOf(stack.service(name).url, OWNED)),
    );
    return second! + third!;
  };
  await expect.poll(ownedByOthers, WAIT).toBe(PARTITIONS);
  await load.catchUp();
  await expect.poll(() => performance.now() - beginMs, WAIT).toBeGreaterThan(10_000);
  await frozen.resume();
  // It believed to own them still, and found out.
  await expect
    .poll(() => gaugeOf(frozen.url, "sluice_ingest_leases_lost_total"), WAIT)
    .toBe(lostBefore + ownedBefore);
  await expect.poll(() => gaugeOf(frozen.url, OWNED), WAIT).toBeGreaterThan(0);
  await load.write(2);
  const report = await load.finish();
  expect(report.failedSends).toBe(0);
});
