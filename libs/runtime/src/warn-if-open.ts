import type { Logger } from "pino";
import { isLoopback } from "./allowed-hosts.ts";

/** One loud line where other machines can connect: nothing asks them who they are. @param what they can do */
export function warnIfOpen(logger: Pick<Logger, "warn">, host: string, what: string): void {
  if (isLoopback(host)) return;
  logger.warn(
    { host },
    `OPEN WITHOUT AUTHENTICATION: whoever reaches this address can ${what}. Let only trusted networks reach it, or set HOST=127.0.0.1`,
  );
}
