/** Headers of HTTP requests and answers at the gateway that are ours or not widely known. */
export const HTTP_HEADERS = {
  /** The number that the first chunk must take. */
  sequence: "Sluice-Sequence",
  /** Names the request: a repeat is not done again. */
  idempotencyKey: "Idempotency-Key",
  /** `true`: the answer is that of an earlier request. */
  replayed: "Idempotency-Replayed",
} as const;
