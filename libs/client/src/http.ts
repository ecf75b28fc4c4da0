import { connectionError, SluiceError } from "./sluice-error.ts";

/**
 * Gives the headers of a request; called before each one.
 * @param wasRefused the headers it gave for this request were answered with a 401, so a cache must not give them again
 */
export type HeadersSource = (wasRefused: boolean) => HeadersLike | Promise<HeadersLike>;
type HeadersLike = ConstructorParameters<typeof Headers>[0];

/**
 * Sends one request, and gives its response whatever its status. The headers are asked for anew each time; after a 401 once
 * more, for a token that had just expired.
 * @throws what `fetch` and the source of headers throw
 */
export type Send = (
  method: string,
  url: string,
  headers: Record<string, string>,
  signal?: AbortSignal,
) => Promise<Response>;

export function createSend(fetch: typeof globalThis.fetch, source?: HeadersSource): Send {
  return async (method, url, own, signal) => {
    const ask = async (wasRefused: boolean): Promise<Response> => {
      const headers = new Headers(await source?.(wasRefused));
      for (const [name, value] of Object.entries(own)) headers.set(name, value);
      // Servers do nothing for a page that doesn't say so, also where there is no body.
      if (method === "POST") headers.set("Content-Type", "application/json");
      return fetch(url, { method, headers, cache: "no-store", signal: signal ?? null });
    };
    const response = await ask(false);
    if (response.status !== 401 || source === undefined) return response;
    void response.body?.cancel();
    return ask(true);
  };
}

/** Waits for work that may ignore its signal and hang. @throws SluiceError CONNECTION as soon as the signal is aborted */
export function unlessAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(connectionError("no answer")));
    work().then(resolve, reject);
  });
}

/** Compares the media type, which has no case (RFC 9110, 8.3.1), without its parameters. */
export const hasType = ({ headers }: Response, type: RegExp): boolean =>
  type.test(String(headers.get("Content-Type")));

/**
 * Turns an answer that isn't a success into an error. A proxy answers without a problem document of ours; its 404 says
 * nothing about the stream (an ingress whose backends are restarting gives one), so it can be retried.
 */
export async function refusalOf(response: Response): Promise<SluiceError> {
  const { status, headers } = response;
  const body = (await response.json().catch(() => null)) as { code?: unknown; detail?: string } | null;
  const code = hasType(response, /^application\/problem\+json *(;|$)/i) ? body?.code : null;
  const isOurs = typeof code === "string";
  // Seconds, or a date.
  const retryAfter = headers.get("Retry-After") ?? "";
  return new SluiceError(isOurs ? code : `HTTP_${status}`, body?.detail ?? `HTTP ${status}`, {
    status,
    isRetryable: status >= 500 || [408, 425, 429].includes(status) || (status === 404 && !isOurs),
    retryAfterMs: Math.max(0, Number(retryAfter) * 1000 || Date.parse(retryAfter) - Date.now() || 0),
  });
}
