import { partitionOf, type CancelAnswer } from "@sluice/core";
import { memoryGatewayPorts } from "@sluice/testing";
import { expect, test } from "vitest";
import { Bench } from "./gateway-bench.ts";

test.each<[CancelAnswer | null, number, object]>([
  [{ kind: "asked" }, 202, { stream_id: "s", status: "open" }],
  [{ kind: "ended", status: "completed" }, 200, { stream_id: "s", status: "completed" }],
  [{ kind: "ended", status: "deleted" }, 410, { code: "STREAM_DELETED" }],
  [{ kind: "unknown" }, 404, { code: "STREAM_NOT_FOUND" }],
  [null, 503, { code: "CACHE_UNAVAILABLE" }],
])("a stream is stopped through the gateway as through an edge: %j is %i", async (outcome, status, body) => {
  const ports = memoryGatewayPorts();
  if (outcome !== null)
    ports.cancelFeed.answerCancels(partitionOf("s", ports.log.partitions), async () => outcome);
  await using bench = await new Bench(ports).listen();
  expect(await bench.call("POST", "/streams/s/cancel")).toMatchObject({ status, body });
});
