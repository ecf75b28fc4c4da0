import { waitUntil } from "@sluice/servers";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Launch } from "../local/launch.ts";
import { parseStartOptions } from "../local/options.ts";
import { homeAt } from "../local/paths.ts";
import { readState } from "../local/state.ts";
import { gaugeOf } from "./stack.ts";

/** Starts what `npm start` starts, for a browser. */
export interface ServedPages extends AsyncDisposable {
  readonly gatewayUrl: string;
  readonly edgeUrl: string;
  readonly natsUrl: string;
  /** Has the worker answer. @returns the stream's id */
  ask(prompt: string): Promise<string>;
  /** The text of a stream, once it has ended, as it was stored. @param from the first sequence; default: all */
  textOf(streamId: string, from?: number): Promise<string>;
  statusOf(streamId: string): Promise<string>;
  /** Readers' connections at all edges. */
  connections(): Promise<number>;
}

const END_TIMEOUT_MS = 60_000;

export async function servePages(tokensPerSecond: number): Promise<ServedPages> {
  const home = await mkdtemp(join(tmpdir(), "sluice-pages-"));
  const pace = ["--tokens-per-second", String(tokensPerSecond)];
  const launch = new Launch({
    ...parseStartOptions(["--auto-ports", "--no-embedded", "--no-first-answer", "--home", home, ...pace]),
    environment: { ...process.env, LOG_LEVEL: "warn" },
    write: () => undefined,
  });
  await launch.start();
  const urls = readState(homeAt(home).stateFile)?.urls;
  const { gateway: gatewayUrl = null, edge: edgeUrl = null, nats: natsUrl = null } = urls ?? {};
  if (gatewayUrl === null || edgeUrl === null || natsUrl === null)
    throw new Error("the launch has no addresses");
  const edges = Object.entries(urls?.admin ?? {}).filter(([name]) => name.startsWith("edge-"));

  const statusOf = async (streamId: string): Promise<string> => {
    const response = await fetch(`${gatewayUrl}/streams/${streamId}`);
    return ((await response.json()) as { status: string }).status;
  };
  return {
    gatewayUrl,
    edgeUrl,
    natsUrl,
    statusOf,
    ask: async (prompt) => {
      const response = await fetch(`${gatewayUrl}/prompts`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ prompt }),
      });
      return ((await response.json()) as { stream_id: string }).stream_id;
    },
    textOf: async (streamId, from = 1) => {
      const hasEnded = async (): Promise<boolean> => (await statusOf(streamId)) !== "open";
      await waitUntil(`the end of ${streamId}`, hasEnded, { timeoutMs: END_TIMEOUT_MS });
      return readText(edgeUrl, streamId, from);
    },
    connections: async () => {
      const counts = await Promise.all(edges.map(([, url]) => gaugeOf(url, "sluice_edge_connections")));
      return counts.reduce((sum, count) => sum + count, 0);
    },
    [Symbol.asyncDispose]: async () => {
      await launch.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

interface History {
  readonly chunks: readonly { readonly chunk_type: { readonly type: string; readonly content?: string } }[];
  readonly next_after: number;
  readonly head: number;
}

async function readText(edgeUrl: string, streamId: string, from: number): Promise<string> {
  let text = "";
  for (let after = from - 1, head = from; after < head;) {
    const page = await fetch(`${edgeUrl}/streams/${streamId}/chunks?after=${after}&limit=1000`);
    const { chunks, ...rest } = (await page.json()) as History;
    text += chunks
      .map((chunk) => (chunk.chunk_type.type === "Text" ? chunk.chunk_type.content : ""))
      .join("");
    ({ next_after: after, head } = rest);
  }
  return text;
}
