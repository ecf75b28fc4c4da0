import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { pingEngine } from "./container-engine.ts";

let directory: string;
let socket: string;
let engine: Server | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-engine-test-"));
  socket = join(directory, "engine.sock");
});

afterEach(async () => {
  engine?.closeAllConnections();
  engine?.close();
  engine = undefined;
  await rm(directory, { recursive: true });
});

async function runEngine(handle: RequestListener): Promise<void> {
  const server = createServer(handle);
  engine = server;
  await new Promise<void>((resolve) => void server.listen(socket, resolve));
}

describe.skipIf(process.platform === "win32")("a container engine", () => {
  test("is there when it answers a ping", async () => {
    await runEngine((request, response) => {
      response.statusCode = request.url === "/_ping" ? 200 : 404;
      response.end("OK");
    });
    expect(await pingEngine(`unix://${socket}`)).toBe(true);
  });

  test("is not there when its socket is missing, or it answers with an error", async () => {
    expect(await pingEngine(`unix://${socket}`)).toBe(false);
    await runEngine((_request, response) => {
      response.statusCode = 500;
      response.end();
    });
    expect(await pingEngine(`unix://${socket}`)).toBe(false);
  });

  test("that is silent is not waited for", async () => {
    await runEngine(() => {});
    expect(await pingEngine(`unix://${socket}`)).toBe(false);
  });
});
