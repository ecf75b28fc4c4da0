import {
  connectNats,
  ensureLog,
  NatsPartitionLog,
  NatsStreamLog,
  type LogIdentity,
  type NatsLink,
} from "@sluice/broker-nats";
import { StreamManager } from "@sluice/producer";
import { startNats } from "@sluice/testing";
import type { ServerHandle } from "@sluice/servers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FakeSluice } from "./fake-sluice.ts";
import { runSluice, type Finished } from "./run-sluice.ts";

let nats: ServerHandle;
let link: NatsLink;
let identity: LogIdentity;
let log: NatsPartitionLog;
let manager: StreamManager;
let fake: FakeSluice;

beforeAll(async () => {
  nats = await startNats({ local: true });
  link = await connectNats({ servers: nats.url, name: "test" });
  identity = await ensureLog(link, {
    partitions: 4,
    replicas: 1,
    maxAgeMs: 3_600_000,
    maxBytes: 64 * 1024 * 1024,
    minRetentionMs: 1_000,
    maxChunkBytes: 64 * 1024,
  });
  log = new NatsPartitionLog(link, identity);
  manager = new StreamManager({ log: new NatsStreamLog(link, identity) });
  fake = await FakeSluice.start();
});

afterAll(async () => {
  await fake.close();
  await manager.close();
  await link.close();
  await nats.stop();
});

const rejected = (args: readonly string[], input = ""): Promise<Finished> =>
  runSluice(fake, ["rejected", ...args, "--nats", nats.url], input);

function reject(streamId: string, element: string, brokerSequence: number): Promise<void> {
  const bytes = Buffer.from(element);
  return log.reject({ streamId, brokerSequence, index: 2, reason: "content: is required", element: bytes });
}

test("what was refused is listed with its reason and an excerpt that no terminal obeys, page by page", async () => {
  await reject("first", `{"type":"Text","cont":"\u001B[31m${"x".repeat(300)}"}`, 41);
  await reject("second", "not json", 42);
  const { code, stdout, stderr } = await rejected(["list", "--limit", "1"]);
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^1  \d{4}-.*Z  first  message 41, element 2\n    content: is required\n    \{"type":"Text"/,
  );
  expect(stdout).toMatch(/x…\n$/);
  expect(stdout).not.toContain("\u001B");
  expect(stderr).toContain("--after 1");
  expect((await rejected(["--after", "1"])).stdout).toMatch(/^2 .* second /);
  const json = await rejected(["--stream", "second", "--json"]);
  expect(JSON.parse(json.stdout)).toMatchObject({
    position: 2,
    stream_id: "second",
    broker_sequence: 42,
    element_index: 2,
    element: "not json",
  });
});

test("an element is written again as it was, or as it was mended, at the end of its stream", async () => {
  const { handle } = await manager.createStream({ streamId: "mended" });
  await handle.sendText("a");
  await reject("mended", '{"type":"Text","content":"too new"}', 51);
  const { position } = JSON.parse((await rejected(["--stream", "mended", "--json"])).stdout) as {
    position: number;
  };
  expect(await rejected(["replay", String(position)])).toMatchObject({
    code: 0,
    stdout: "mended  stored as 2\n",
  });
  const mended = '[{"type":"Text","content":"b"},{"type":"Text","content":"c"}]';
  expect(await rejected(["replay", String(position), "--stdin"], mended)).toMatchObject({
    code: 0,
    stdout: "mended  stored as 3\nmended  stored as 4\n",
  });
  const stored = (await log.readStream("mended", 0, 100).next()).value ?? [];
  expect(stored.slice(2).map((message) => Buffer.from(message.payload).toString())).toEqual([
    '{"chunk_type":{"type":"Text","content":"too new"}}',
    '[{"chunk_type":{"type":"Text","content":"b"}},{"chunk_type":{"type":"Text","content":"c"}}]',
  ]);
});

test("a replay is refused where it would fence a producer, unless that is wanted, and where nothing can follow", async () => {
  const beating = new StreamManager({
    log: new NatsStreamLog(link, identity),
    liveFeed: { publishBeat: () => undefined },
  });
  const { handle } = await beating.createStream({ streamId: "running" });
  await reject("running", '{"type":"Text","content":"x"}', 61);
  await reject("running", "not json", 62);
  const positions = (await rejected(["--stream", "running", "--json"])).stdout
    .trim()
    .split("\n")
    .map((line) => String((JSON.parse(line) as { position: number }).position));
  expect(await rejected(["replay", positions[0]!])).toMatchObject({ code: 6, stdout: "" });
  await handle.sendText("not fenced");
  expect(await rejected(["replay", positions[1]!, "--fence"])).toMatchObject({
    code: 6,
    stderr: expect.stringContaining("--stdin") as string,
  });
  expect(await rejected(["replay", positions[0]!, "--fence"])).toMatchObject({
    code: 0,
    stdout: "running  stored as 2\n",
  });
  await expect(handle.sendText("fenced")).rejects.toMatchObject({ code: "FENCED" });
  await (await manager.openStream("running")).sendComplete();
  const late = await rejected(["replay", positions[0]!, "--fence"]);
  expect(late).toMatchObject({ code: 6, stderr: expect.stringContaining("STREAM_ENDED") as string });
  expect(await rejected(["replay", "9999"])).toMatchObject({ code: 4 });
  await beating.close();
});
