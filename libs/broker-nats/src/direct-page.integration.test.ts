import { streamSubject } from "@sluice/protocol";
import { startNats } from "@sluice/testing";
import type { ServerHandle } from "@sluice/servers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ensureLog } from "./log-setup.ts";
import { connectNats, type NatsLink } from "./nats-connection.ts";
import { NatsPartitionLog } from "./nats-partition-log.ts";

let server: ServerHandle;
let link: NatsLink;

beforeAll(async () => {
  server = await startNats({ local: true });
  link = await connectNats({ servers: server.url, name: "pages" });
});
afterAll(async () => {
  await link.close();
  await server.stop();
});

test("a stream of large messages is read in pages of a few MiB, whatever the number of messages asked for", async () => {
  const identity = await ensureLog(link, {
    replicas: 1,
    maxAgeMs: 3_600_000,
    maxBytes: 256 * 1024 * 1024,
    minRetentionMs: 300_000,
  });
  const payload = Buffer.alloc(1024 * 1024, "x");
  for (let count = 0; count < 20; count++) await link.jetStream.publish(streamSubject("large"), payload);

  const pages: number[] = [];
  for await (const page of new NatsPartitionLog(link, identity).readStream("large", 0, 1_000)) {
    pages.push(page.length);
  }
  expect(pages.reduce((sum, length) => sum + length)).toBe(20);
  expect(Math.max(...pages)).toBeLessThanOrEqual(9);
});
