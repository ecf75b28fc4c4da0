import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { freePorts, isPortFree, isAlive, natsAnswers, redisAnswers, waitUntil } from "@sluice/servers";
import { startNats, startNatsCluster } from "./nats-server.ts";
import { startRedis } from "./redis-server.ts";

const START_TIMEOUT_MS = 120_000;
const SILENCE_TIMEOUT_MS = 1_000;

/** Says something on a plain socket and returns what came back up to a mark. */
async function say(port: number, words: string, until: RegExp): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.setEncoding("utf8");
  // A cluster that has no leader at the moment doesn't answer at all.
  socket.setTimeout(SILENCE_TIMEOUT_MS, () => socket.destroy(new Error(`no answer to ${words}`)));
  socket.write(words);
  let heard = "";
  try {
    for await (const data of socket) {
      heard += data;
      if (until.test(heard)) return heard;
    }
    throw new Error(`the connection ended after ${JSON.stringify(heard)}`);
  } finally {
    socket.destroy();
  }
}

/** A JetStream API request; the answer comes as a message on the reply subject. */
async function jetStream(port: number, subject: string, body: object): Promise<string> {
  const json = JSON.stringify(body);
  const request = `CONNECT {"verbose":false}\r\nSUB answer 1\r\nPUB ${subject} answer ${json.length}\r\n${json}\r\n`;
  return say(port, request, /MSG answer[^\n]*\n.*\}\r\n/s);
}

/** For a cluster: silence, as while it elects a leader, counts as no. */
function answers(port: number, subject: string, mark: RegExp): () => Promise<boolean> {
  return () =>
    jetStream(port, subject, {}).then(
      (answer) => mark.test(answer),
      () => false,
    );
}

describe("free ports", () => {
  test("are free and all different", async () => {
    const ports = await freePorts(20);
    expect(new Set(ports).size).toBe(20);
    const [first = 0] = ports;
    expect(await isPortFree(first, "127.0.0.1")).toBe(true);
  });
});

describe("a local NATS server", { timeout: START_TIMEOUT_MS }, () => {
  test("has JetStream, takes payloads of 2 MiB, and keeps its log over a kill and a restart", async () => {
    await using nats = await startNats({ local: true });
    const info = await say(nats.port, "", /INFO .*\r\n/);
    expect(info).toContain('"jetstream":true');
    expect(info).toContain('"max_payload":2097152');

    await jetStream(nats.port, "$JS.API.STREAM.CREATE.KEPT", {
      name: "KEPT",
      subjects: ["kept"],
      storage: "file",
    });
    await jetStream(nats.port, "kept", { some: "content" });
    const pid = nats.pid;
    await nats.kill();
    expect(nats.pid).toBeUndefined();
    expect(await natsAnswers(nats.port)).toBe(false);

    await nats.restart();
    expect(nats.pid).not.toBe(pid);
    expect(await jetStream(nats.port, "$JS.API.STREAM.INFO.KEPT", {})).toContain('"messages":1');
  });

  test("keeps silent while it is paused, and goes on afterwards", async () => {
    await using nats = await startNats({ local: true });
    await nats.pause();
    expect(await natsAnswers(nats.port)).toBe(false);
    await nats.resume();
    expect(await natsAnswers(nats.port)).toBe(true);
  });

  test("can be stopped while it is paused", async () => {
    const nats = await startNats({ local: true });
    await nats.pause();
    await nats.stop();
    expect(await isPortFree(nats.port, "127.0.0.1")).toBe(true);
  });
});

describe("a local Redis server", { timeout: START_TIMEOUT_MS }, () => {
  test("answers, and comes back empty after a restart", async () => {
    await using redis = await startRedis({ local: true });
    expect(await say(redis.port, "SET name sluice\r\n", /\r\n/)).toBe("+OK\r\n");
    await redis.restart();
    expect(await say(redis.port, "GET name\r\n", /\r\n/)).toBe("$-1\r\n");
  });

  test("with `save` keeps what it held over a restart in good order", async () => {
    await using redis = await startRedis({ local: true, save: "3600 1" });
    await say(redis.port, "SET name sluice\r\n", /\r\n/);
    await redis.restart();
    expect(await say(redis.port, "GET name\r\n", /\r\n.*\r\n/)).toBe("$6\r\nsluice\r\n");
  });

  test("falls back to its last snapshot when it is killed", async () => {
    await using redis = await startRedis({ local: true, save: "3600 1" });
    await say(redis.port, "SET name old\r\nSAVE\r\nSET name new\r\n", /(\+OK\r\n){3}/);
    await redis.kill();
    await redis.restart();
    expect(await say(redis.port, "GET name\r\n", /\r\n.*\r\n/)).toBe("$3\r\nold\r\n");
  });

  test("keeps silent while it is paused", async () => {
    await using redis = await startRedis({ local: true });
    await redis.pause();
    expect(await redisAnswers(redis.port)).toBe(false);
    await redis.resume();
    expect(await redisAnswers(redis.port)).toBe(true);
  });
});

describe("a local NATS cluster", { timeout: START_TIMEOUT_MS }, () => {
  test("of three keeps a replicated log when one node is killed", async () => {
    await using cluster = await startNatsCluster(3);
    const [first, second] = cluster.nodes;
    if (first === undefined || second === undefined) throw new Error("a cluster without nodes");
    const created = await jetStream(first.port, "$JS.API.STREAM.CREATE.R3", {
      name: "R3",
      subjects: ["r3"],
      num_replicas: 3,
    });
    expect(created).toContain('"cluster"');
    await waitUntil("the publish", answers(first.port, "r3", /"stream": ?"R3"/), { timeoutMs: 45_000 });
    await first.kill();
    const log = answers(second.port, "$JS.API.STREAM.INFO.R3", /"messages":[1-9]/);
    await waitUntil("the log on the other nodes", log, { timeoutMs: 45_000 });
    await first.restart();
    await cluster.waitReady();
  });
});

describe("a server that its process left behind", { timeout: START_TIMEOUT_MS }, () => {
  test.skipIf(process.platform === "win32")("dies with it, even by SIGKILL, and leaves no data", async () => {
    const module = fileURLToPath(new URL("redis-server.ts", import.meta.url));
    const program = `
      const { startRedis } = await import(${JSON.stringify(module)});
      const redis = await startRedis({ local: true });
      console.log(JSON.stringify({ pid: redis.pid, dataDirectory: redis.dataDirectory }));
      setInterval(() => {}, 1000);`;
    const owner = spawn(process.execPath, ["--input-type=module", "--eval", program], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [line] = (await once(createInterface(owner.stdout), "line")) as [string];
    const { pid, dataDirectory } = JSON.parse(line) as { pid: number; dataDirectory: string };
    expect(isAlive(pid)).toBe(true);
    owner.kill("SIGKILL");
    await waitUntil(
      "the end of the server",
      () => Promise.resolve(!isAlive(pid) && !existsSync(dataDirectory)),
      {
        timeoutMs: 5_000,
      },
    );
  });
});

describe("a server given by its address", () => {
  test("is left alone, and says why it can not be controlled", async () => {
    process.env["REDIS_URL"] = "redis://127.0.0.1:1234";
    try {
      const redis = await startRedis();
      expect(redis.port).toBe(1234);
      await expect(redis.kill()).rejects.toThrow("the one given by REDIS_URL; start it with { local: true }");
      await redis.stop();
    } finally {
      delete process.env["REDIS_URL"];
    }
  });
});
