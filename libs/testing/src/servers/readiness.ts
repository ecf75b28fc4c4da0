import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

const POLL_INTERVAL_MS = 25;
const PROBE_TIMEOUT_MS = 1_000;

/**
 * Asks until the answer is yes.
 * @throws Error naming what was waited for, once the deadline has passed; the signal's reason, once it is aborted
 */
export async function waitUntil(
  what: string,
  probe: () => Promise<boolean>,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<void> {
  const deadline = Date.now() + options.timeoutMs;
  for (;;) {
    options.signal?.throwIfAborted();
    if (await probe()) return;
    if (Date.now() > deadline) throw new Error(`${what} was not ready within ${options.timeoutMs / 1000} s`);
    await delay(POLL_INTERVAL_MS);
  }
}

/** A NATS server greets with its INFO line before the client has said anything. */
export function natsAnswers(port: number, host = "127.0.0.1"): Promise<boolean> {
  return converse({ port, host, expect: "INFO {" });
}

export function redisAnswers(port: number, host = "127.0.0.1"): Promise<boolean> {
  return converse({ port, host, send: "PING\r\n", expect: "+PONG" });
}

export async function httpAnswersOk(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

interface Conversation {
  readonly port: number;
  readonly host: string;
  readonly send?: string;
  readonly expect: string;
}

function converse({ port, host, send, expect }: Conversation): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host });
    const end = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    let received = "";
    socket.setEncoding("utf8");
    socket.setTimeout(PROBE_TIMEOUT_MS, () => end(false));
    socket.once("error", () => end(false));
    socket.once("close", () => end(false));
    socket.once("connect", () => {
      if (send !== undefined) socket.write(send);
    });
    socket.on("data", (data: string) => {
      received += data;
      if (received.startsWith(expect)) end(true);
      else if (received.length >= expect.length) end(false);
    });
  });
}
