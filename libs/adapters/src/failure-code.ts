/** Codes of Error chunks by which readers' programs can tell apart how a model failed. */
export const MODEL_FAILURE_CODES = [
  "LLM_ERROR",
  "LLM_RATE_LIMITED",
  "LLM_OVERLOADED",
  "LLM_TIMEOUT",
] as const;
export type ModelFailureCode = (typeof MODEL_FAILURE_CODES)[number];

/** Facts of a failure. */
export interface FailureFacts {
  /** Status of HTTP, or a code in the body that is one. */
  status: number | null;
  /** The provider's and the libraries' names for what went wrong: types, codes, classes of errors. */
  names: readonly string[];
  /** The provider's sentence; looked at only where neither names nor status tell. */
  message: string | null;
}

const CODE_OF_STATUS: Readonly<Record<number, ModelFailureCode>> = {
  408: "LLM_TIMEOUT",
  429: "LLM_RATE_LIMITED",
  503: "LLM_OVERLOADED",
  504: "LLM_TIMEOUT",
  // Cloudflare's, before servers that take too long to connect or to answer.
  522: "LLM_TIMEOUT",
  524: "LLM_TIMEOUT",
  // Anthropic's.
  529: "LLM_OVERLOADED",
};

/** Names without case and punctuation, as `RateLimitError`, `rate_limit_exceeded` and `RESOURCE_EXHAUSTED` are meant. */
const CODE_OF_NAME: readonly (readonly [RegExp, ModelFailureCode])[] = [
  [/overload|insufficientsystemresource|unavailable|capacity|serverbusy|slowdown|notready/, "LLM_OVERLOADED"],
  [
    /ratelimit|toomanyrequest|throttl|quota|resourceexhausted|^limitexceeded|^limit(requests|burstrate)|^(requests|tokens)$/,
    "LLM_RATE_LIMITED",
  ],
  [/timeout|timedout|deadlineexceeded/, "LLM_TIMEOUT"],
];

const CODE_OF_WORDS: readonly (readonly [RegExp, ModelFailureCode])[] = [
  [/overloaded|at capacity|service unavailable|server is busy/i, "LLM_OVERLOADED"],
  [/rate.?limit|too many requests|quota|throttl/i, "LLM_RATE_LIMITED"],
  [/timed? ?out\b/i, "LLM_TIMEOUT"],
];

/** Rule 3, the one table: names tell most, then the status, then the words. */
export function codeOf({ status, names, message }: FailureFacts): ModelFailureCode {
  const plain = names.map(plainName);
  const byName = CODE_OF_NAME.find(([pattern]) => plain.some((name) => pattern.test(name)));
  if (byName !== undefined) return byName[1];
  const byStatus = status === null ? undefined : CODE_OF_STATUS[status];
  if (byStatus !== undefined) return byStatus;
  // A status that says something else is believed.
  if (status !== null && status >= 400 && status !== 500) return "LLM_ERROR";
  return CODE_OF_WORDS.find(([pattern]) => pattern.test(message ?? ""))?.[1] ?? "LLM_ERROR";
}

const OF_CREDENTIALS =
  /authenticat|authoriz|permission|accessdenied|forbidden|invalidapikey|apikeyinvalid|credential|expiredtoken|unrecognizedclient/;

/** The server doesn't know our key, or doesn't let it do this. */
export function isOfCredentials({ status, names }: FailureFacts): boolean {
  return status === 401 || status === 403 || names.some((name) => OF_CREDENTIALS.test(plainName(name)));
}

function plainName(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
}
