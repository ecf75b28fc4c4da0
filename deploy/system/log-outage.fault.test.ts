import { httpAnswersOk } from "@sluice/servers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Load } from "./load.ts";
import { startStack, type Stack } from "./stack.ts";

const WAIT = { timeout: 60_000, interval: 50 };

let stack: Stack;

beforeAll(async () => {
  stack = await startStack({ ingest: 2, edges: 2 });
});
afterAll(() => stack.stop());

/** Of all ingests and edges. */
async function readyServices(): Promise<number> {
  const urls = [...stack.services.values()].map(({ url }) => `${url}/readyz`);
  return (await Promise.all(urls.map(httpAnswersOk))).filter(Boolean).length;
}

test("a NATS that is killed under 320 streams and comes back at once makes no send fail and takes nothing from them", async () => {
  const load = await Load.start({ ...stack, name: "restarted", streams: 320, paceMs: 400 });
  for (let round = 0; round < 2; round++) {
    await load.write(3);
    const { pid } = stack.nats!;
    await stack.nats!.kill();
    await stack.nats!.restart();
    expect(stack.nats!.pid).not.toBe(pid);
  }
  await load.write(3);
  const report = await load.finish();
  expect(report.failedSends).toBe(0);
});

test("while NATS is away, sends to 320 streams fail loudly and no service calls itself ready; what was acknowledged before and after is there once, in order", async () => {
  const load = await Load.start({
    ...stack,
    name: "away",
    streams: 300,
    bareStreams: 20,
    paceMs: 400,
    settings: { publishTimeoutMs: 1_500 },
  });
  await load.write(3);
  expect(load.failedSends).toBe(0);
  expect(await readyServices()).toBe(4);
  await stack.nats!.kill();
  const acknowledged = load.acknowledged;
  const hasFailed = (): number => load.streams.filter((stream) => stream.failed > 0).length;
  await expect.poll(hasFailed, WAIT).toBe(320);
  await expect.poll(readyServices, WAIT).toBe(0);
  expect(load.acknowledged).toBe(acknowledged);
  await stack.nats!.restart();
  await expect.poll(readyServices, WAIT).toBe(4);
  await load.write(3);
  const report = await load.finish();
  expect(report.failedSends).toBeGreaterThanOrEqual(320);
});
