import type { RebuildAnswer } from "@sluice/core";
import { createRegistry } from "@sluice/runtime";
import { expect, test } from "vitest";
import { createEdgeMetrics } from "../metrics.ts";
import type { ReadingClient } from "./page-reads.ts";
import { RebuildRequests } from "./rebuild-requests.ts";

/** An ingest whose answers the test gives. */
function heldIngest() {
  const asked: { streamId: string; answer: (answer: RebuildAnswer | null) => void }[] = [];
  const requestRebuild = (_partition: number, streamId: string): Promise<RebuildAnswer | null> =>
    new Promise((answer) => asked.push({ streamId, answer }));
  const metrics = createEdgeMetrics(createRegistry("edge"));
  return { asked, requests: new RebuildRequests({ requestRebuild }, 1_000, metrics) };
}

const client = (address: string, signal = new AbortController().signal): ReadingClient => ({
  address,
  signal,
});
const UNKNOWN: RebuildAnswer = { kind: "unknown" };

test("one request for a stream is under way, and all who ask meanwhile get its answer", async () => {
  const { asked, requests } = heldIngest();
  const answers = Promise.all(["x", "y", "z"].map((address) => requests.ask(0, "s", client(address))));
  expect(asked).toHaveLength(1);
  asked[0]?.answer(UNKNOWN);
  expect(await answers).toEqual([UNKNOWN, UNKNOWN, UNKNOWN]);
  void requests.ask(0, "s", client("x"));
  expect(asked).toHaveLength(2);
});

test("a scan over ids by one address has a bounded number under way, and others are asked for at once", async () => {
  const { asked, requests } = heldIngest();
  const scan = Promise.all(
    Array.from({ length: 500 }, (_, id) => requests.ask(0, `id-${id}`, client("scan"))),
  );
  expect(asked).toHaveLength(128);
  const honest = requests.ask(0, "honest", client("honest"));
  expect(asked.at(-1)?.streamId).toBe("honest");
  for (let index = 0; index < asked.length; index++) {
    asked[index]?.answer(UNKNOWN);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await honest).toEqual(UNKNOWN);
  expect(await scan).toEqual(Array.from({ length: 500 }, () => UNKNOWN));
});

test("nothing is asked for who has gone before its turn", async () => {
  const { asked, requests } = heldIngest();
  const gone = new AbortController();
  for (let id = 0; id < 128; id++) void requests.ask(0, `first-${id}`, client("x"));
  const waiting = Array.from({ length: 50 }, (_, id) =>
    requests.ask(0, `id-${id}`, client("x", gone.signal)),
  );
  expect(asked).toHaveLength(128);
  // Another address has a turn of its own.
  const shared = requests.ask(0, "id-7", client("y"));
  gone.abort();
  asked[0]?.answer(UNKNOWN);
  await new Promise((resolve) => setImmediate(resolve));
  expect(asked.slice(128).map(({ streamId }) => streamId)).toEqual(["id-7"]);
  asked[128]?.answer(UNKNOWN);
  expect(await shared).toEqual(UNKNOWN);
  expect((await Promise.all(waiting)).filter((answer) => answer !== null)).toHaveLength(1);
});
