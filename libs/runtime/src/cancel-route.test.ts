import type { CancelAnswer } from "@sluice/core";
import express from "express";
import { afterEach, expect, test } from "vitest";
import { cancelRoute } from "./cancel-route.ts";
import { listen, type HttpServer } from "./http-server.ts";
import { createLogger } from "./logger.ts";
import { problemHandler } from "./problem-response.ts";

let server: HttpServer | null = null;
let asked: unknown[] = [];

afterEach(async () => {
  await server?.close(0);
  asked = [];
});

/** @param answer what the partition's owner answers; null: it doesn't */
async function cancel(
  answer: CancelAnswer | null,
  streamId = "abc",
): Promise<{ status: number; body: Record<string, unknown>; retryAfter: string | null }> {
  const app = express();
  const requestCancel = async (...args: unknown[]): Promise<CancelAnswer | null> => {
    asked.push(args);
    return answer;
  };
  app.post(
    "/streams/:streamId/cancel",
    cancelRoute({ feed: { requestCancel }, partitions: 32, timeoutMs: 7 }),
  );
  app.use(problemHandler(createLogger("edge", "silent")));
  server = await listen(app, { host: "127.0.0.1", port: 0 });
  const response = await fetch(`http://127.0.0.1:${server.port}/streams/${streamId}/cancel`, {
    method: "POST",
  });
  const body = (await response.json()) as Record<string, unknown>;
  return { status: response.status, body, retryAfter: response.headers.get("retry-after") };
}

test("the partition's owner is asked, and the stream is open until it has ended", async () => {
  expect(await cancel({ kind: "asked" })).toMatchObject({
    status: 202,
    body: { stream_id: "abc", status: "open" },
  });
  expect(asked).toEqual([[11, "abc", 7]]);
});

test.each(["completed", "errored", "cancelled"] as const)("a stream that is %s stays so", async (status) => {
  expect(await cancel({ kind: "ended", status })).toMatchObject({
    status: 200,
    body: { stream_id: "abc", status },
  });
});

test("what can't be stopped is told why", async () => {
  expect(await cancel({ kind: "ended", status: "deleted" })).toMatchObject({
    status: 410,
    body: { code: "STREAM_DELETED" },
  });
  await server?.close(0);
  expect(await cancel({ kind: "unknown" })).toMatchObject({
    status: 404,
    body: { code: "STREAM_NOT_FOUND" },
  });
  await server?.close(0);
  expect(await cancel(null, "no%20id")).toMatchObject({ status: 400, body: { code: "INVALID_STREAM_ID" } });
});

test("without an answer of the owner the client is to ask again", async () => {
  const { status, body, retryAfter } = await cancel(null);
  expect([status, body["code"], retryAfter]).toEqual([503, "CACHE_UNAVAILABLE", "1"]);
});
