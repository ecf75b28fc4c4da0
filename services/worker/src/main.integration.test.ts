import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import {
  connectNats,
  ensureLog,
  NatsCancelFeed,
  NatsPromptQueue,
  NatsStreamLog,
  type NatsLink,
} from "@sluice/broker-nats";
import { startNats } from "@sluice/testing";
import { waitUntil, type ServerHandle } from "@sluice/servers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const MAIN = fileURLToPath(new URL("main.ts", import.meta.url));

let nats: ServerHandle;
let link: NatsLink;
let log: NatsStreamLog;
beforeAll(async () => {
  nats = await startNats();
  link = await connectNats({ servers: nats.url, name: "worker-test" });
  const identity = await ensureLog(link, {
    replicas: 1,
    maxAgeMs: 3_600_000,
    maxBytes: 64 * 1024 * 1024,
    minRetentionMs: 0,
  });
  log = new NatsStreamLog(link, identity);
});
afterAll(async () => {
  await link.close();
  await nats.stop();
});

function startWorker(settings: Record<string, string>) {
  const child = spawn(process.execPath, [MAIN], {
    env: { ...process.env, NATS_URL: nats.url, ADMIN_PORT: "0", ...settings },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (bytes: Buffer) => (output += bytes.toString()));
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const ready = () =>
    waitUntil("the worker", async () => output.includes("worker runs"), { timeoutMs: 20_000 });
  return { child, exited, ready, output: () => output };
}

const lastChunkOf = async (streamId: string): Promise<string> =>
  Buffer.from((await log.lastMessage(streamId))?.payload ?? []).toString();

describe("the worker's process", () => {
  it("answers a prompt into the log, and ends cleanly on SIGTERM", async () => {
    const worker = startWorker({ TOKENS_PER_SECOND: "0" });
    await worker.ready();
    await new NatsPromptQueue(link).ask({ streamId: "quick", prompt: "What is Sluice?" }, 5_000);
    const hasCompleted = async () => (await lastChunkOf("quick")).includes('"type":"Complete"');
    await waitUntil("the answer's end", hasCompleted, { timeoutMs: 10_000 });
    worker.child.kill("SIGTERM");
    expect(await worker.exited).toBe(0);
  });

  it("ends an answer that outlasts the drain time with WORKER_STOPPED in the log", async () => {
    const worker = startWorker({ TOKENS_PER_SECOND: "1", DRAIN_TIMEOUT_MS: "50" });
    await worker.ready();
    await new NatsPromptQueue(link).ask({ streamId: "slow", prompt: "What is Sluice?" }, 5_000);
    worker.child.kill("SIGTERM");
    expect(await worker.exited).toBe(0);
    expect(await lastChunkOf("slow")).toContain('"code":"WORKER_STOPPED"');
  });

  it("stops an answer that is cancelled, and says so in the log", async () => {
    const worker = startWorker({ TOKENS_PER_SECOND: "1" });
    await worker.ready();
    await new NatsPromptQueue(link).ask({ streamId: "unwanted", prompt: "What is Sluice?" }, 5_000);
    expect(await new NatsCancelFeed(link).tellProducer("unwanted", "requested", 5_000)).toBe(true);
    const isCancelled = async () => (await lastChunkOf("unwanted")).includes('"code":"CANCELLED"');
    await waitUntil("the answer's end", isCancelled, { timeoutMs: 10_000 });
    worker.child.kill("SIGTERM");
    expect(await worker.exited).toBe(0);
  });

  it("doesn't start with settings that don't hold, and says which", async () => {
    const worker = startWorker({ OPENAI_API_KEY: "sk-x", TOKENS_PER_SECOND: "fast" });
    expect(await worker.exited).toBe(1);
    expect(worker.output()).toMatch(/TOKENS_PER_SECOND: .*number/);
  });
});
