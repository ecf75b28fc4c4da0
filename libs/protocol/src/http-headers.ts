/** Headers of HTTP requests and answers that are ours or not widely known. */
export const HTTP_HEADERS = {
  /** The number that the first chunk must take. */
  sequence: "Sluice-Sequence",
  /** Names the request: a repeat is not done again. */
  idempotencyKey: "Idempotency-Key",
  /** `true`: the answer is that of an earlier request. */
  replayed: "Idempotency-Replayed",
  /** Names a client that understands `503` and `Retry-After`. */
  client: "Sluice-Client",
} as const;
