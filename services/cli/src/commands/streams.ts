import { streamListSchema } from "@sluice/protocol";
import type { GatewayClient } from "../gateway-client.ts";
import { bytesText, durationText, tableText } from "../tables.ts";
import type { Terminal } from "../terminal.ts";

export interface StreamsRequest {
  status: string | undefined;
  prefix: string | undefined;
  cursor: string | undefined;
  limit: number;
}

/** Prints one page of streams, newest chunk first. */
export async function printStreams(
  request: StreamsRequest,
  { client, terminal, asJson }: { client: GatewayClient; terminal: Terminal; asJson: boolean },
): Promise<void> {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(request)) {
    if (value !== undefined) query.set(name, String(value));
  }
  const { streams, next_cursor: next } = await client.readControl(
    `/streams?${query.toString()}`,
    streamListSchema,
  );
  const now = Date.now();
  const rows = streams.map((stream) => [
    stream.stream_id,
    stream.status,
    `${stream.chunk_count} chunks`,
    bytesText(stream.byte_count),
    `${durationText(now - stream.updated_ms)} ago`,
  ]);
  await terminal.write(asJson ? jsonLines(streams) : tableText(rows));
  if (next !== null) terminal.note(`there may be more: --cursor ${next}`);
  else if (streams.length === 0) terminal.note("no such streams");
}

function jsonLines(values: readonly object[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join("");
}
