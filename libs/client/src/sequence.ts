/** Whether a value from the wire is a sequence, or the 0 before the first. */
export function isSequence(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** @returns the sequence in a resume token (base64 or base64url of `<id>:<sequence>`); null: it isn't one */
export function sequenceOfToken(token: string): number | null {
  try {
    const text = atob(token.replaceAll("-", "+").replaceAll("_", "/"));
    const sequence = Number(/:(\d+)$/.exec(text)?.[1]);
    return isSequence(sequence) ? sequence : null;
  } catch {
    return null;
  }
}
