import { spawn } from "node:child_process";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import type { ChunkType } from "@sluice/core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { followStream, type FollowedEvent } from "./follow-stream.ts";
import { FakeSluice, frameOf } from "./fake-sluice.ts";
import { RunningSluice, runSluice } from "./run-sluice.ts";

const text = (content: string): ChunkType => ({ type: "Text", content });
const complete: ChunkType = { type: "Complete", summary: null };

let fake: FakeSluice;
beforeEach(async () => {
  fake = await FakeSluice.start();
});
afterEach(() => fake.close());

describe("sluice tail", () => {
  it("prints text on stdout as it comes and ends with the stream", async () => {
    fake.add("demo", [text("Hel")]);
    const sluice = new RunningSluice(fake, ["tail", "demo"]);
    await vi.waitFor(() => expect(sluice.stdout).toBe("Hel"), 10_000);
    fake.append("demo", text("lo\n"));
    await vi.waitFor(() => expect(sluice.stdout).toBe("Hello\n"), 10_000);
    fake.append("demo", { type: "Complete", summary: "Tokens used: 2" });
    expect(await sluice.finished).toEqual({ code: 0, stdout: "Hello\n", stderr: "Tokens used: 2\n" });
  });

  it("begins with the chunk that it was asked for", async () => {
    fake.add("demo", [...Array.from({ length: 100 }, (_, index) => text(`${index + 1}\n`)), complete]);
    const { stdout } = await runSluice(fake, ["tail", "demo", "--from", "50"]);
    expect(stdout.split("\n")[0]).toBe("50");
    expect(stdout.trimEnd().split("\n")).toHaveLength(51);
  });

  it("exits with 1 and says why where the stream ended with an Error chunk", async () => {
    fake.add("demo", [text("Half"), { type: "Error", error: "slow down", code: "LLM_RATE_LIMITED" }]);
    expect(await runSluice(fake, ["tail", "demo"])).toEqual({
      code: 1,
      stdout: "Half",
      stderr: "sluice: slow down (LLM_RATE_LIMITED)\n",
    });
  });

  it("prints JSON on stdout, events and progress on stderr", async () => {
    fake.add("demo", [
      { type: "Json", data: { a: 1 } },
      { type: "Event", event_type: "task_started", payload: { id: 7 } },
      { type: "Progress", current: 1, total: 2, message: "half" },
      complete,
    ]);
    expect(await runSluice(fake, ["tail", "demo"])).toEqual({
      code: 0,
      stdout: '{"a":1}\n',
      stderr: 'task_started {"id":7}\n1/2 half\n',
    });
  });

  it("prints with --json each chunk as it came, a line each", async () => {
    fake.add("demo", [text("a\n"), complete]);
    const { stdout } = await runSluice(fake, ["tail", "demo", "--json"]);
    const chunks = stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(chunks).toMatchObject([
      { stream_id: "demo", sequence: 1, chunk_type: { type: "Text", content: "a\n" } },
      { stream_id: "demo", sequence: 2, chunk_type: { type: "Complete" } },
    ]);
  });

  it("says that chunks are missing, and exits with 5 though the stream completed", async () => {
    fake.add("demo", [text("1"), text("2"), text("3\n"), complete]);
    fake.preamble = 'id: 2\nevent: gap\ndata: {"stream_id":"demo","from":1,"to":2,"reason":"expired"}\n\n';
    expect(await runSluice(fake, ["tail", "demo"])).toEqual({
      code: 5,
      stdout: "3\n",
      stderr: "sluice: chunks 1 to 2 are gone (expired)\n",
    });
  });

  it("says that chunks are missing as soon as it knows, without waiting for the next chunk", async () => {
    fake.add("demo", []);
    fake.preamble = 'id: 2\nevent: gap\ndata: {"stream_id":"demo","from":1,"to":2,"reason":"expired"}\n\n';
    const sluice = new RunningSluice(fake, ["tail", "demo"]);
    await vi.waitFor(() => expect(sluice.stderr).toBe("sluice: chunks 1 to 2 are gone (expired)\n"), 10_000);
    sluice.process.kill("SIGINT");
    await sluice.finished;
  });

  it.each([
    ["errored", 1, "sluice: the stream has ended: errored\n"],
    ["cancelled", 1, "sluice: the stream has ended: cancelled\n"],
    ["completed", 5, "the stream has ended; nothing comes after this position\n"],
    ["", 5, "the stream has ended; nothing comes after this position\n"],
  ])("doesn't take an end for success whose chunk has expired: status %j", async (status, code, told) => {
    fake.add("demo", []);
    fake.preamble = 'id: 2\nevent: gap\ndata: {"stream_id":"demo","from":1,"to":2,"reason":"expired"}\n\n';
    fake.cuts.push(": connected\n\n".length + fake.preamble.length);
    fake.endStatus = status;
    const ended = runSluice(fake, ["tail", "demo"]);
    await vi.waitFor(() => expect(fake.positions).toHaveLength(1), 10_000);
    fake.append("demo", complete);
    const { stderr, ...rest } = await ended;
    expect(rest).toEqual({ code, stdout: "" });
    expect(stderr.endsWith(told)).toBe(true);
  });

  it("exits with 4 and one clear line where there is no such stream", async () => {
    expect(await runSluice(fake, ["tail", "nope"])).toEqual({
      code: 4,
      stdout: "",
      stderr: "sluice: there is no stream nope (STREAM_NOT_FOUND)\n",
    });
  });

  it("exits with 4 when the stream is deleted under it", async () => {
    fake.add("demo", []);
    fake.preamble = 'id: 1\nevent: deleted\ndata: {"stream_id":"demo","sequence":1}\n\n';
    expect(await runSluice(fake, ["tail", "demo"])).toMatchObject({
      code: 4,
      stderr: "sluice: the stream was deleted\n",
    });
  });

  it("says where nobody listens, and what to do, with exit code 3", async () => {
    const port = await unusedPort();
    const { code, stderr } = await runSluice(fake, ["tail", "demo", "--edge", `http://127.0.0.1:${port}`]);
    expect(code).toBe(3);
    expect(stderr).toBe(
      `sluice: cannot reach the edge at http://127.0.0.1:${port}: ECONNREFUSED; is Sluice running? (npm start)\n`,
    );
  });

  it("reconnects after a cut with its position, and says so once", async () => {
    fake.add("demo", [text("a"), text("b"), text("c\n"), complete]);
    const first = frameOf("demo", 1, text("a"));
    fake.cuts.push(": connected\n\n".length + first.length + 5, 20);
    const { code, stdout, stderr } = await runSluice(fake, ["tail", "demo"]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "abc\n" });
    expect(fake.positions).toEqual(["", "1", "1"]);
    expect(stderr.match(/reconnecting/g)).toHaveLength(1);
  });

  it("gives up after the time that it was given", async () => {
    fake.add("demo", [text("a")]);
    fake.cuts.push(...Array.from({ length: 50 }, () => 3));
    const { code } = await runSluice(fake, ["tail", "demo", "--give-up-after", "0.5"]);
    expect(code).toBe(3);
  });

  it("ends with 130 on Ctrl-C", async () => {
    fake.add("demo", [text("a")]);
    const sluice = new RunningSluice(fake, ["tail", "demo"]);
    await vi.waitFor(() => expect(sluice.stdout).toBe("a"), 10_000);
    sluice.process.kill("SIGINT");
    expect(await sluice.finished).toEqual({ code: 130, stdout: "a", stderr: "" });
  });

  it("ends quietly, as by SIGPIPE, when nobody reads any more", async () => {
    fake.add("demo", [
      ...Array.from({ length: 50_000 }, (_, index) => text(`line ${index + 1}\n`)),
      complete,
    ]);
    const bin = fileURLToPath(new URL("../bin/sluice.js", import.meta.url));
    const script = `{ "${process.execPath}" "${bin}" tail demo; echo "code $?" >&2; } | head -1`;
    const shell = spawn("sh", ["-c", script], { env: { ...process.env, SLUICE_EDGE_URL: fake.url } });
    let output = "";
    for (const stream of [shell.stdout, shell.stderr])
      stream.on("data", (bytes: Buffer) => (output += bytes.toString()));
    await new Promise((resolve) => shell.once("close", resolve));
    expect(output).toBe("line 1\ncode 141\n");
  });
});

describe("followStream", () => {
  it("gives each chunk once, in order, wherever the connection is cut", async () => {
    const chunks = [text("é\n"), text("日本"), text("end"), complete];
    const whole = `: connected\n\n${chunks.map((chunk, index) => frameOf("demo", index + 1, chunk)).join("")}`;
    const total = Buffer.byteLength(whole);
    const cutAt = async (cut: number) => {
      const edge = await FakeSluice.start();
      edge.add("demo", chunks);
      edge.cuts.push(cut);
      const events: FollowedEvent[] = [];
      const request = { edgeUrl: edge.url, streamId: "demo", from: 1, waitSeconds: 0, giveUpAfterMs: 0 };
      const signal = new AbortController().signal;
      for await (const event of followStream({ ...request, signal, onReconnect: () => {} }))
        events.push(event);
      await edge.close();
      return events.map((event) => (event.kind === "chunk" ? event.chunk.sequence : event.kind));
    };
    const cuts = Array.from({ length: total + 1 }, (_, cut) => cut);
    for (let at = 0; at < cuts.length; at += 100) {
      const outcomes = await Promise.all(cuts.slice(at, at + 100).map(cutAt));
      for (const outcome of outcomes) expect(outcome).toEqual([1, 2, 3, 4, "end"]);
    }
  });
});

async function unusedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
