import { MemoryLog, MemoryPromptDesk, MemoryStreamLog } from "@sluice/testing";
import { expect, test } from "vitest";
import { Bench } from "./test-bench.ts";

test("a stream is stopped through the gateway as through an edge", async () => {
  await using bench = new Bench({
    log: new MemoryStreamLog(new MemoryLog()),
    promptDesk: new MemoryPromptDesk(),
  });
  await bench.listen();
  bench.cancelAnswers.set("s", { kind: "asked" });
  expect(await bench.call("POST", "/streams/s/cancel")).toMatchObject({
    status: 202,
    body: { stream_id: "s", status: "open" },
  });
  expect(await bench.call("POST", "/streams/other/cancel")).toMatchObject({
    status: 503,
    body: { code: "CACHE_UNAVAILABLE" },
  });
});
