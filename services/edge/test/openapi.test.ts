import { EDGE_OPERATIONS, openApiDocument } from "@sluice/protocol";
import { DescribedAnswers, memoryEdgePorts } from "@sluice/testing";
import { expect, test } from "vitest";
import { startBench } from "./edge-bench.ts";

const answers = new DescribedAnswers(openApiDocument("edge", EDGE_OPERATIONS));

test("the description at /openapi.json names every route that is mounted, and no other", async () => {
  await using bench = await startBench(memoryEdgePorts());
  const response = await fetch(`${bench.url}/openapi.json`);
  expect(await response.json()).toEqual(JSON.parse(JSON.stringify(openApiDocument("edge", EDGE_OPERATIONS))));
  const mounted = bench.edge.routes.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`);
  const described = EDGE_OPERATIONS.map(({ method, path }) => `${method} ${path}`);
  expect(described.toSorted()).toEqual(mounted.toSorted());
});

test("answers of every kind are as they are described", async () => {
  await using bench = await startBench(memoryEdgePorts());
  bench.ingest.answerRebuilds(async () => ({ kind: "unknown" }));
  await bench.ingest.create("ended");
  await bench.ingest.publish("ended", ["a", "b"], "completed");
  await bench.ingest.create("gone");
  await bench.ingest.delete("gone");
  await bench.ingest.create("open");
  await bench.ingest.publish("open", ["a"]);
  const many = await bench.open("/streams/events?stream_id=open&stream_id=ended");
  const connection = `/connections/${String(many.response.headers["sluice-connection-id"])}/streams`;
  const NDJSON = { accept: "application/x-ndjson" };

  const seen = async (
    method: string,
    path: string,
    headers: Record<string, string> = {},
  ): Promise<number> => {
    const response = await fetch(bench.url + path, { method, headers });
    const contentType = response.headers.get("content-type");
    const body = await response.text();
    answers.check({ method, path, status: response.status, contentType, body });
    return response.status;
  };
  expect(await seen("GET", "/streams/ended/events")).toBe(200);
  expect(await seen("GET", "/stream?stream_id=ended&from=3")).toBe(200);
  expect(await seen("GET", "/streams/ended/events", { "Last-Event-ID": "3" })).toBe(204);
  expect(await seen("GET", "/streams/events?stream_id=ended&stream_id=gone")).toBe(200);
  expect(await seen("GET", "/stream?stream_id=none")).toBe(404);
  expect(await seen("GET", "/stream?stream_id=ended&resume_token=x")).toBe(400);
  expect(await seen("GET", "/streams/gone/events")).toBe(410);
  expect(await seen("GET", "/streams/ended/chunks")).toBe(200);
  expect(await seen("GET", "/streams/ended/chunks", NDJSON)).toBe(200);
  expect(await seen("GET", "/streams/open/chunks?after=9")).toBe(200);
  expect(await seen("GET", "/streams/none/chunks")).toBe(404);
  expect(await seen("GET", "/streams/ended/chunks?limit=x")).toBe(400);
  expect(await seen("POST", `${connection}/gone`)).toBe(410);
  expect(await seen("POST", `${connection}/open`)).toBe(409);
  expect(await seen("POST", "/connections/x.y/streams/open")).toBe(404);
  expect(await seen("DELETE", `${connection}/open`)).toBe(204);
  expect(await seen("DELETE", `${connection}/none`)).toBe(404);
  expect(await seen("PUT", "/streams/ended/chunks")).toBe(405);
});
