import { connectionError, SluiceError } from "./sluice-error.ts";

/** @param wasRefused what it gave for this request was answered with a 401: an application's cache must not give it again */
export type HeadersSource = (wasRefused: boolean) => HeadersLike | Promise<HeadersLike>;
type HeadersLike = ConstructorParameters<typeof Headers>[0];

export interface Http {
  /**
   * One request, whatever its answer. Headers are asked for anew each time; after a 401 once more, for a token that had
   * just expired. @throws what `fetch` and `headers` throw
   */
  send(method: string, url: string, headers: Record<string, string>, signal?: AbortSignal): Promise<Response>;
}

export function createHttp(fetch: typeof globalThis.fetch, source?: HeadersSource): Http {
  return {
    async send(method, url, own, signal) {
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
    },
  };
}

/** What comes of work that may hang, deaf to its signal. @throws SluiceError CONNECTION as soon as that is aborted */
export function unlessAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(connectionError("no answer")));
    work().then(resolve, reject);
  });
}

/** What an answer that isn't a success says. Proxies answer as well, without our problem documents. */
export async function refusalOf(response: Response): Promise<SluiceError> {
  const { status } = response;
  const problem = (await response.json().catch(() => null)) as { code?: string; detail?: string } | null;
  return new SluiceError(problem?.code ?? `HTTP_${status}`, problem?.detail ?? `HTTP ${status}`, {
    status,
    isRetryable: status >= 500 || [408, 425, 429].includes(status),
    retryAfterMs: retryAfterMs(response.headers.get("Retry-After")),
  });
}

/** Seconds or a date. */
function retryAfterMs(value: string | null): number {
  const ms = Number(value) * 1000;
  return Math.max(0, Number.isNaN(ms) ? Date.parse(value ?? "") - Date.now() : ms) || 0;
}
