import { CliError, EXIT } from "./exit-codes.ts";

/** An answer that says no. */
export interface Refusal {
  status: number;
  /** The problem's code, or HTTP's status where the answer holds none. */
  code: string;
  detail: string;
  /** The problem document, for its extensions. */
  problem: Readonly<Record<string, unknown>>;
  /** Time that the server asks to wait, ms; 0 if it asks for none. */
  retryAfterMs: number;
}

const PASSING = new Set([408, 425, 429, 500, 502, 503, 504, 507]);

/** True if the same request can succeed later. */
export function mayPass(refusal: Refusal): boolean {
  return PASSING.has(refusal.status);
}

export async function readRefusal(response: Response): Promise<Refusal> {
  const problem = await readProblem(response);
  const retryAfter = Number(response.headers.get("retry-after") ?? 0);
  return {
    status: response.status,
    code: typeof problem["code"] === "string" ? problem["code"] : `HTTP ${response.status}`,
    detail: typeof problem["detail"] === "string" ? problem["detail"] : response.statusText,
    problem,
    retryAfterMs: Number.isFinite(retryAfter) ? Math.max(0, retryAfter * 1000) : 0,
  };
}

async function readProblem(response: Response): Promise<Record<string, unknown>> {
  if (!(response.headers.get("content-type") ?? "").includes("json")) {
    await response.body?.cancel();
    return {};
  }
  try {
    const body: unknown = await response.json();
    return typeof body === "object" && body !== null ? { ...body } : {};
  } catch {
    return {};
  }
}

export function refusedError(refusal: Refusal): CliError {
  const isMissing = refusal.status === 404 || refusal.status === 410;
  const exitCode = isMissing ? EXIT.notFound : mayPass(refusal) ? EXIT.unreachable : EXIT.refused;
  return new CliError(exitCode, `${refusal.detail} (${refusal.code})`);
}

/** @param service "gateway" or "edge", for the sentence */
export function unreachableError(service: string, url: string, error: unknown): CliError {
  const hint = causeOf(error) === "ECONNREFUSED" ? "; is Sluice running? (npm start)" : "";
  return new CliError(
    EXIT.unreachable,
    `cannot reach the ${service} at ${url}: ${causeOf(error)}${hint}`,
    error,
  );
}

/** fetch hides why it failed in its error's cause, and that one's parts where a name has several addresses. */
export function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.errors.length > 0) return causeOf(error.errors[0]);
  if ("code" in error && typeof error.code === "string") return error.code;
  return error.cause === undefined ? error.message : causeOf(error.cause);
}
