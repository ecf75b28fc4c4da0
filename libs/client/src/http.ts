import { SluiceError } from "./sluice-error.ts";

export type HeadersSource = () => HeadersLike | Promise<HeadersLike>;
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
      const ask = async (): Promise<Response> => {
        const headers = new Headers(await source?.());
        // Named, we are answered 503 where an EventSource must be let down gently.
        for (const [name, value] of Object.entries({ ...own, "Sluice-Client": "js" }))
          headers.set(name, value);
        return fetch(url, { method, headers, cache: "no-store", ...(signal && { signal }) });
      };
      const response = await ask();
      if (response.status !== 401 || source === undefined) return response;
      void response.body?.cancel();
      return ask();
    },
  };
}

const CODES: Readonly<Record<number, string>> = {
  401: "UNAUTHORIZED",
  403: "FORBIDDEN",
  404: "NOT_FOUND",
  410: "STREAM_DELETED",
};

/** What an answer that isn't a success says. Proxies answer as well, without our problem documents. */
export async function refusalOf(response: Response): Promise<SluiceError> {
  const { status } = response;
  const problem = (await response.json().catch(() => null)) as { code?: unknown; detail?: unknown } | null;
  const code =
    typeof problem?.code === "string"
      ? problem.code
      : (CODES[status] ?? (status < 500 ? "INVALID_REQUEST" : "CONNECTION"));
  const detail = typeof problem?.detail === "string" ? problem.detail : `the server answered ${status}`;
  return new SluiceError(code, detail, {
    status,
    isRetryable: status >= 500 || status === 408 || status === 425 || status === 429,
    retryAfterMs: retryAfterMs(response.headers.get("Retry-After")),
  });
}

/** Seconds or a date. */
function retryAfterMs(value: string | null): number {
  if (value === null) return 0;
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  return ms > 0 ? ms : 0;
}
