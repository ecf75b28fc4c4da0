import { VerifyingReader } from "@sluice/testing";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startStack, type Stack } from "./stack.ts";

const BIN = fileURLToPath(new URL("../../services/cli/bin/sluice.js", import.meta.url));

let stack: Stack;

beforeAll(async () => {
  stack = await startStack({
    ingest: 2,
    edges: 2,
    gateway: true,
    worker: true,
    env: { worker: { TOKENS_PER_SECOND: "400" }, gateway: { CONTROL_ENABLED: "true" } },
  });
});

afterAll(() => stack.stop());

/** The real command, against the real stack. */
async function sluice(args: readonly string[], input = ""): Promise<{ code: number | null; stdout: string }> {
  const env = { ...process.env, SLUICE_EDGE_URL: stack.edgeUrl, SLUICE_GATEWAY_URL: stack.gatewayUrl };
  const child = spawn(process.execPath, [BIN, ...args], { env, stdio: ["pipe", "pipe", "ignore"] });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  child.stdin.end(input);
  return { stdout: await text(child.stdout), code: await ended };
}

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, index) => `${from + index}\n`).join("");

test("what is piped in line by line is one chunk a line: a reader from the first gets all, one from the fiftieth the rest", async () => {
  const reader = new VerifyingReader({ edgeUrl: () => stack.edgeUrl, streamId: "demo", query: "wait=20" });
  const reading = reader.run();
  expect(await sluice(["pipe", "--id", "demo"], lines(1, 100))).toEqual({ code: 0, stdout: lines(1, 100) });
  await reading;
  expect(reader.problems).toEqual([]);
  expect(reader.chunks).toBe(101);
  expect(reader.endedWith).toBe("complete");

  expect(await sluice(["tail", "demo"])).toEqual({ code: 0, stdout: lines(1, 100) });
  expect(await sluice(["tail", "demo", "--from", "50"])).toEqual({ code: 0, stdout: lines(50, 100) });
  const status = JSON.parse((await sluice(["status", "demo", "--json"])).stdout) as object;
  expect(status).toMatchObject({ status: "completed", head_sequence: 101 });
}, 60_000);

test("a command's failure ends its stream with an Error chunk and is passed on", async () => {
  const piped = await sluice(["pipe", "--id", "failing", "--", "sh", "-c", "echo begun; exit 7"]);
  expect(piped).toEqual({ code: 7, stdout: "begun\n" });
  expect(await sluice(["tail", "failing"])).toEqual({ code: 1, stdout: "begun\n" });
}, 60_000);

test("a prompt is answered by the worker through the whole path", async () => {
  const asked = await sluice(["ask", "How are chunks numbered?"]);
  expect(asked.code).toBe(0);
  expect(asked.stdout).toContain("built-in model");
}, 60_000);

test("what flows and what runs is listed, and each partition's owner is one of the processes", async () => {
  const parse = ({ stdout }: { stdout: string }): Record<string, unknown>[] =>
    stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  await sluice(["pipe", "--id", "listed-1"], "a\n");
  await sluice(["create", "--id", "listed-2"]);
  const ended = parse(await sluice(["streams", "--status", "completed", "--prefix", "listed-", "--json"]));
  expect(ended).toMatchObject([{ stream_id: "listed-1", status: "completed", head_sequence: 2 }]);
  // Creating is done when the log has it; the list is of what ingest has applied.
  await expect
    .poll(async () => parse(await sluice(["streams", "--prefix", "listed-", "--json"])), { timeout: 10_000 })
    .toMatchObject([{ stream_id: "listed-2", status: "open" }, { stream_id: "listed-1" }]);

  // A partition that changes hands between the two answers is asked for again.
  const disagreement = async (): Promise<unknown> => {
    const services = parse(await sluice(["services", "--json"]));
    const names = services.map(({ service }) => service);
    expect(names).toEqual(["edge", "edge", "gateway", "ingest", "ingest", "worker"]);
    const answer = await fetch(`${stack.gatewayUrl}/control/partitions`);
    const { partitions } = (await answer.json()) as { partitions: { partition: number; owner: string }[] };
    const ownerOf = new Map(
      services.flatMap(({ instance, partitions: numbers }) =>
        (numbers as number[]).map((partition) => [partition, instance] as const),
      ),
    );
    return partitions.filter(({ partition, owner }) => ownerOf.get(partition) !== owner);
  };
  await expect.poll(disagreement, { timeout: 20_000 }).toEqual([]);
}, 60_000);

test("a stream that nobody created is told as such", async () => {
  expect((await sluice(["tail", "nobody-made-me"])).code).toBe(4);
}, 60_000);
