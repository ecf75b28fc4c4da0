import { serviceListSchema } from "@sluice/protocol";
import type { GatewayClient } from "../gateway-client.ts";
import { bytesText, durationText } from "../tables.ts";
import type { Terminal } from "../terminal.ts";

const NAME_WIDTH = 24;

/** Prints each running process with its figures, a line each. */
export async function printServices({
  client,
  terminal,
  asJson,
}: {
  client: GatewayClient;
  terminal: Terminal;
  asJson: boolean;
}): Promise<void> {
  const { services } = await client.readControl("/control/services", serviceListSchema);
  const now = Date.now();
  for (const service of services) {
    if (asJson) {
      await terminal.write(`${JSON.stringify(service)}\n`);
      continue;
    }
    const age = durationText(now - service.started_ms);
    await terminal.write(`${service.service} ${service.instance}, for ${age}\n`);
    for (const [name, figure] of Object.entries(service.figures)) {
      await terminal.write(`  ${name.padEnd(NAME_WIDTH)} ${figureText(name, figure)}\n`);
    }
  }
}

/** A figure in the unit that its name tells. */
function figureText(name: string, figure: number): string {
  if (/(^|_)bytes(_|$)/.test(name)) return bytesText(figure);
  return name.endsWith("_ms") ? `${figure.toFixed(1)} ms` : String(figure);
}
