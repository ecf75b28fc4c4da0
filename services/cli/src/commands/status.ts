import type { GatewayClient } from "../gateway-client.ts";
import type { Terminal } from "../terminal.ts";

/** Prints what the gateway knows of a stream: a field a line, or its JSON as one line. */
export async function printStatus(
  streamId: string,
  { client, terminal, asJson }: { client: GatewayClient; terminal: Terminal; asJson: boolean },
): Promise<void> {
  const status = await client.status(streamId);
  if (asJson) {
    await terminal.write(`${JSON.stringify(status)}\n`);
    return;
  }
  const fields = Object.entries(status).filter(([, value]) => value !== null);
  const width = Math.max(...fields.map(([name]) => name.length));
  await terminal.write(fields.map(([name, value]) => `${name.padEnd(width)}  ${show(value)}\n`).join(""));
}

function show(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
