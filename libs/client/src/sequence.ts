/** A sequence as it may come over the wire. */
export function isSequence(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** The sequence in a resume token: base64 or base64url of `<id>:<sequence>`. Null where it isn't one. */
export function sequenceOfToken(token: string): number | null {
  try {
    const text = atob(token.replaceAll("-", "+").replaceAll("_", "/"));
    const sequence = Number(/:(\d+)$/.exec(text)?.[1]);
    return isSequence(sequence) ? sequence : null;
  } catch {
    return null;
  }
}
