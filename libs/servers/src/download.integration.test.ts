import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { downloadVerified } from "./download.ts";
import { freePort } from "./free-port.ts";

const CONTENT = Buffer.alloc(200_000, "sluice");
const SHA256 = createHash("sha256").update(CONTENT).digest("hex");

let directory: string;
let server: Server;
let address: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-download-test-"));
  server = createServer((request, response) => {
    response.statusCode = request.url === "/archive" ? 200 : 404;
    response.end(CONTENT);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rm(directory, { recursive: true });
});

function download(url: string, sha256 = SHA256): Promise<void> {
  return downloadVerified({ url, sha256, to: join(directory, "archive"), report: () => {} });
}

describe("a download", () => {
  test("is put in place when its checksum is the pinned one", async () => {
    await download(`${address}/archive`);
    expect((await readFile(join(directory, "archive"))).equals(CONTENT)).toBe(true);
  });

  test("is deleted when its checksum is another one", async () => {
    await expect(download(`${address}/archive`, "0".repeat(64))).rejects.toThrow("the checksum is wrong");
    expect(existsSync(join(directory, "archive"))).toBe(false);
  });

  test("that fails gives the reason", async () => {
    await expect(download(`${address}/gone`)).rejects.toThrow("HTTP status 404");
    await expect(download(`http://127.0.0.1:${await freePort()}/archive`)).rejects.toThrow("ECONNREFUSED");
  });
});
