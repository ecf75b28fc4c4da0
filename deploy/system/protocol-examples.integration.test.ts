import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePorts } from "@sluice/servers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runEmbedded } from "../local/embedded.ts";
import { REPOSITORY } from "../local/paths.ts";

const PROTOCOL = readFileSync(join(REPOSITORY, "libs/protocol/PROTOCOL.md"), "utf8");
const HOST = "127.0.0.1";
const RUN_TIMEOUT_MS = 45_000;
const run = promisify(execFile);

let folder: string;
let sluice: Awaited<ReturnType<typeof runEmbedded>>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "protocol-"));
  const [edge = 0, gateway = 0] = await freePorts(2);
  sluice = await runEmbedded({ ports: { edge, gateway }, tokensPerSecond: undefined, environment: {} });
});
afterAll(async () => {
  await sluice.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The program in the document's fence of this kind, byte for byte. */
function programOf(kind: "reader" | "producer"): string {
  const [, program] = new RegExp(`^\`\`\`js ${kind}\\n([\\s\\S]*?)^\`\`\`$`, "m").exec(PROTOCOL) ?? [];
  if (program === undefined) throw new Error(`PROTOCOL.md has no ${kind}`);
  const path = join(folder, `${kind}.mjs`);
  writeFileSync(path, program);
  return path;
}

async function runProgram(kind: "reader" | "producer", ...args: string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [programOf(kind), ...args], { timeout: RUN_TIMEOUT_MS });
  return stdout;
}

interface Fault extends AsyncDisposable {
  readonly url: string;
  readonly requests: { readonly method: string; readonly lastEventId: string | undefined }[];
}

/**
 * Passes requests on and cuts answers: every connection's after so many bytes (`afterBytes`), or each second one before
 * its first byte (`losesEverySecond`). The server has done what it was asked then, as when a network fails.
 */
async function startFault(
  target: string,
  fault: { readonly afterBytes?: number; readonly losesEverySecond?: true },
): Promise<Fault> {
  const requests: { method: string; lastEventId: string | undefined }[] = [];
  const server: Server = createServer((asked, answer) => {
    const { method = "GET", url = "/", headers } = asked;
    requests.push({ method, lastEventId: headers["last-event-id"]?.toString() });
    const isLost = fault.losesEverySecond === true && requests.length % 2 === 1;
    const onward = request(`${target}${url}`, { method, headers }, (given) => {
      if (!isLost) answer.writeHead(given.statusCode ?? 502, given.headers);
      let sent = 0;
      given.on("data", (bytes: Buffer) => {
        if (isLost) return;
        const rest = (fault.afterBytes ?? Infinity) - sent;
        answer.write(bytes.subarray(0, rest));
        sent += bytes.byteLength;
        if (bytes.byteLength > rest) setImmediate(() => answer.destroy());
      });
      given.on("end", () => (isLost ? answer.destroy() : answer.end()));
      given.on("error", () => answer.destroy());
    });
    onward.on("error", () => answer.destroy());
    answer.once("close", () => onward.destroy());
    asked.pipe(onward);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, HOST, resolve);
  });
  return {
    url: `http://${HOST}:${(server.address() as AddressInfo).port}`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

async function headOf(streamId: string): Promise<{ status: string; head_sequence: number }> {
  const answer = await fetch(`${sluice.urls.gateway}/streams/${streamId}`);
  return (await answer.json()) as { status: string; head_sequence: number };
}

test("the minimal reader has at most 15 lines of code", () => {
  const lines = readFileSync(programOf("reader"), "utf8").trim().split("\n");
  expect(lines.filter((line) => !line.trim().startsWith("//")).length).toBeLessThanOrEqual(15);
});

test(
  "the minimal producer stores each chunk once though every second answer is lost",
  { timeout: 60_000 },
  async () => {
    await using fault = await startFault(sluice.urls.gateway, { losesEverySecond: true });
    await runProgram("producer", fault.url, "produced", "The ", "gate ", "opens.");
    expect(fault.requests.length).toBeGreaterThan(5);
    expect(await headOf("produced")).toMatchObject({ status: "completed", head_sequence: 4 });
  },
);

test(
  "the minimal reader gets each chunk once, in order, though every connection is cut",
  { timeout: 60_000 },
  async () => {
    const words = Array.from({ length: 12 }, (_, index) => `word ${index}: one, `);
    await runProgram("producer", sluice.urls.gateway, "read", ...words);
    // A frame has some 250 bytes: three and a half of them in a connection.
    await using fault = await startFault(sluice.urls.edge, { afterBytes: 900 });
    const stdout = await runProgram("reader", `${fault.url}/streams/read/events`);
    const events = stdout.trim().split("\n");
    expect(events.map((line) => line.slice(0, line.indexOf(" ")))).toEqual([
      ...words.map(() => "text"),
      "complete",
    ]);
    const chunks = events.map(
      (line) =>
        JSON.parse(line.slice(line.indexOf(" "))) as { sequence: number; chunk_type: { content?: string } },
    );
    expect(chunks.map(({ sequence }) => sequence)).toEqual(chunks.map((_, index) => index + 1));
    expect(chunks.slice(0, -1).map(({ chunk_type: type }) => type.content)).toEqual(words);
    expect(fault.requests.length).toBeGreaterThan(3);
    expect(fault.requests.slice(1).every(({ lastEventId }) => Number(lastEventId) > 0)).toBe(true);
  },
);

test("the minimal reader stops at once at a stream that is unknown, and that was read before", async () => {
  await expect(
    runProgram("reader", `${sluice.urls.edge}/streams/no-such-stream/events`),
  ).rejects.toMatchObject({ code: 1 });
  await runProgram("producer", sluice.urls.gateway, "short", "Hello");
  const ended = await runProgram("reader", `${sluice.urls.edge}/streams/short/events?last_event_id=2`);
  expect(ended).toBe("");
});
