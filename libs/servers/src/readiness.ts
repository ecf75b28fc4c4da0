import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

const POLL_INTERVAL_MS = 25;
const PROBE_TIMEOUT_MS = 1_000;

/**
 * Asks until the answer is yes. A probe that throws, throws.
 * @throws Error naming what was waited for, once the deadline has passed, even if a probe is still without an answer;
 *   the signal's reason, once it is aborted
 */
export async function waitUntil(
  what: string,
  probe: () => Promise<boolean>,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<void> {
  const over = Promise.withResolvers<never>();
  const giveUp = (): void => {
    over.reject(new Error(`${what} was not ready within ${options.timeoutMs / 1000} s`));
  };
  const abort = (): void => over.reject(options.signal?.reason);
  const timer = setTimeout(giveUp, options.timeoutMs);
  options.signal?.addEventListener("abort", abort);
  if (options.signal?.aborted === true) abort();
  const done = new AbortController();
  try {
    const ask = async (): Promise<void> => {
      while (!done.signal.aborted && !(await probe())) await delay(POLL_INTERVAL_MS);
    };
    await Promise.race([over.promise, ask()]);
  } finally {
    done.abort();
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", abort);
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
