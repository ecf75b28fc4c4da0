/** Problem document with which the gateway or the launcher refuses a request. */
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

const AWAY = "Can't reach the gateway. Nothing was lost: try again.";

/** Creates a random id. Works outside of a secure context, where `crypto.randomUUID` is missing. */
export function newStreamId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Asks a worker to answer on the stream. Repeating it after a lost answer is harmless. @throws Error with a sentence for the user */
export async function askWorker(streamId: string, prompt: string): Promise<void> {
  try {
    await post("/prompts", { prompt, stream_id: streamId });
  } catch (error) {
    // The first attempt had arrived.
    if (!(error instanceof RefusedError && error.code === "STREAM_EXISTS")) throw error;
  }
}

/** Asks for the stream to be stopped. Resolves once that is recorded; the stream itself then tells its end. */
export async function stopStream(streamId: string): Promise<void> {
  await post(`/streams/${encodeURIComponent(streamId)}/cancel`);
}

/** Kills the edge of a connection. @returns its name and pid, for the user */
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
      // Also without a body: servers do nothing for a page that could be a form of another origin.
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Error(AWAY);
  }
  if (response.ok) return response.json().catch(() => null);
  const problem: Problem = await response
    .json()
    .catch(() => ({ detail: `The server answered with status ${response.status}.` }));
  throw new RefusedError(problem);
}
