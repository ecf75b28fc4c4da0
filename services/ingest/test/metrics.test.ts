import { memoryIngestPorts } from "@sluice/testing";
import { expect, test } from "vitest";
import { DEADLINE, lifeBench } from "./endings-bench.ts";

const TEXT = Buffer.from('{"type":"Text","content":"a"}');
const NO_CHUNK = Buffer.from("{");
const END = Buffer.from('{"type":"Complete"}');

test("a registry is as large after 1,000 streams that were written, refused something, cancelled and ended as after fifty", async () => {
  await using bench = lifeBench(memoryIngestPorts());
  const { registry } = bench.ingest();
  const seriesAfter = async (streams: number, prefix: string): Promise<number> => {
    for (let number = 0; number < streams; number++) {
      const streamId = `${prefix}-${number}`;
      for (const payload of [TEXT, NO_CHUNK, TEXT]) bench.log.publishBare(streamId, payload);
      const isCancelled = number % 2 === 0;
      if (!isCancelled) bench.log.publishBare(streamId, END);
      await expect
        .poll(async () => (await bench.cache.readInfo(streamId))?.head.sequence, { ...DEADLINE, interval: 1 })
        .toBeGreaterThan(2);
      if (isCancelled) await bench.cancelFeed.requestCancel(0, streamId, DEADLINE.timeout);
    }
    for (const number of [streams - 2, streams - 1])
      await expect.poll(() => bench.endOf(`${prefix}-${number}`), DEADLINE).not.toBeNull();
    return (await registry.metrics()).split("\n").filter((line) => line.startsWith("sluice_ingest_")).length;
  };
  const few = await seriesAfter(50, "few");
  expect(few).toBeGreaterThan(30);
  expect(await seriesAfter(1_000, "many")).toBe(few);
});
