/** What the gateway, or the launcher, says where it refuses. */
interface Problem {
  readonly code?: string;
  readonly detail?: string;
}

export class RefusedError extends Error {
  readonly code: string;

  constructor({ code = "UNKNOWN", detail }: Problem) {
    super(detail ?? `The request was refused (${code}).`);
    this.code = code;
  }
}

const AWAY = "The gateway can't be reached. Nothing was lost: try again.";

/** Works without a secure context, where `crypto.randomUUID` is missing. */
export function newStreamId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Has a worker answer on the stream. Repeating it after a lost answer is harmless. @throws Error with a sentence for the user */
export async function askWorker(streamId: string, prompt: string): Promise<void> {
  try {
    await post("/prompts", { prompt, stream_id: streamId });
  } catch (error) {
    // The first attempt had arrived.
    if (!(error instanceof RefusedError && error.code === "STREAM_EXISTS")) throw error;
  }
}

/** Asks that the stream be stopped. Resolves once that is noted; the stream itself then tells its end. */
export async function stopStream(streamId: string): Promise<void> {
  await post(`/streams/${encodeURIComponent(streamId)}/cancel`);
}

/** @returns what was killed, for the user */
export async function killEdge(launcherUrl: string, connectionId: string): Promise<string> {
  const answer = await post(`${launcherUrl}/kill-edge`, { connection_id: connectionId });
  const { name, pid } = answer as { name: string; pid: number };
  return `${name} (pid ${pid})`;
}

async function post(url: string, body?: object): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(url, {
      method: "POST",
      ...(body === undefined
        ? {}
        : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    });
  } catch {
    throw new Error(AWAY);
  }
  if (response.ok) return response.json().catch(() => null);
  const problem: Problem = await response
    .json()
    .catch(() => ({ detail: `The answer was ${response.status}.` }));
  throw new RefusedError(problem);
}
