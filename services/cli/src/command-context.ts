import { addAbortSignal, type Readable } from "node:stream";
import { text } from "node:stream/consumers";
import type { Command } from "commander";
import { GatewayClient } from "./gateway-client.ts";
import type { Interrupts } from "./interrupts.ts";
import type { Terminal } from "./terminal.ts";

export interface ProgramContext {
  terminal: Terminal;
  stdin: Readable & { isTTY?: boolean };
  interrupts: Interrupts;
}

/** @param onExitCode told how the command that ran ended, where that is more than done or failed */
export type AddCommand = (
  program: Command,
  context: ProgramContext,
  onExitCode: (code: number) => void,
) => void;

export function gatewayClient(
  options: { gateway: string; giveUpAfter?: number },
  interrupts: Interrupts,
): GatewayClient {
  const giveUpAfterMs = (options.giveUpAfter ?? 0) * 1000;
  return new GatewayClient({ url: options.gateway, giveUpAfterMs, signal: interrupts.first });
}

export async function readAll(stdin: Readable, signal: AbortSignal): Promise<string> {
  try {
    return await text(addAbortSignal(signal, stdin));
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
