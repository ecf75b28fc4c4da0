import { startFaultProxy, startNats } from "@sluice/testing";
import { httpAnswersOk } from "@sluice/testing/servers";
import { expect, test } from "vitest";
import { Load } from "./load.ts";
import { startStack, type Stack } from "./stack.ts";

const WAIT = { timeout: 60_000, interval: 100 };

async function readyServices(stack: Stack): Promise<number> {
  const urls = [...stack.services.values()].map(({ url }) => `${url}/readyz`);
  return (await Promise.all(urls.map(httpAnswersOk))).filter(Boolean).length;
}

test("services that NATS is silently cut off from notice it, and once it heals 320 streams go on within seconds, with nothing lost", async () => {
  await using nats = await startNats({ local: true });
  await using proxy = await startFaultProxy(nats.url);
  const behind = { NATS_URL: proxy.url };
  await using stack = await startStack({
    natsUrl: nats.url,
    ingest: 2,
    edges: 2,
    // The check of all heads, which needs no NATS, would hide that nothing else is noticed.
    env: { ingest: behind, edge: { ...behind, HEAD_CHECK_INTERVAL_MS: "3600000" } },
  });
  const load = await Load.start({ ...stack, name: "cut-off", streams: 300, bareStreams: 20, paceMs: 500 });
  await load.write(2);
  await load.catchUp();
  expect(await readyServices(stack)).toBe(4);

  proxy.pause();
  await load.write(3);
  expect(load.behind).toBe(320);
  // Nobody closed a connection: only missing answers tell.
  await expect.poll(() => readyServices(stack), WAIT).toBe(0);
  proxy.resume();
  const healedMs = performance.now();
  await load.catchUp();
  expect(performance.now() - healedMs).toBeLessThan(20_000);
  const report = await load.finish();
  expect(report.failedSends).toBe(0);
});
