import { connectNats } from "@sluice/broker-nats";
import { CHUNKS_STREAM } from "@sluice/protocol";
import { startNatsCluster } from "@sluice/testing";
import { expect, test } from "vitest";
import { Load } from "./load.ts";
import { startStack } from "./stack.ts";

const HANDLES = 280;
const WAIT = { timeout: 60_000, interval: 100 };

test("killing the leader of a log with three replicas, twice, under 300 streams takes nothing that was acknowledged", async () => {
  await using cluster = await startNatsCluster(3);
  await using stack = await startStack({
    natsUrl: cluster.url,
    ingest: 2,
    edges: 2,
    env: { ingest: { LOG_REPLICAS: "3" } },
  });
  const link = await connectNats({ servers: cluster.url, name: "watching the leader" });
  const leader = async (): Promise<string> => {
    const info = await link.jetStreamManager.streams.info(CHUNKS_STREAM).catch(() => null);
    return info?.cluster?.leader ?? "";
  };
  const load = await Load.start({
    ...stack,
    name: "cluster",
    streams: HANDLES,
    bareStreams: 20,
    paceMs: 800,
  });
  for (let round = 0; round < 2; round++) {
    await load.write(3);
    const name = await leader();
    const node = cluster.nodes[Number(name.slice("node-".length)) - 1];
    await node!.kill();
    await expect.poll(leader, WAIT).toMatch(new RegExp(`^node-(?!${name.slice("node-".length)})`));
    await load.write(3);
    await load.catchUp();
    await node!.restart();
    await cluster.waitReady();
  }
  await load.write(1);
  // A bare publish is tried once. The SDK's handles go on until the new leader answers.
  const failed = load.streams.slice(0, HANDLES).reduce((sum, stream) => sum + stream.failed, 0);
  expect(failed).toBe(0);
  await load.finish();
  await link.close();
});
