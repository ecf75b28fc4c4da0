import { isStreamId, StreamError } from "@sluice/core";

/** Token of the original client API: base64 of `<stream id>:<sequence>`. A position, neither a secret nor a permission. */
export function encodeResumeToken(streamId: string, sequence: number): string {
  return Buffer.from(`${streamId}:${sequence}`).toString("base64");
}

/**
 * Accepts base64 and base64url, with or without padding.
 * @throws StreamError INVALID_RESUME_TOKEN where it isn't one
 */
export function decodeResumeToken(token: string): { streamId: string; sequence: number } {
  const decoded = /^[A-Za-z0-9+/_-]+={0,2}$/.test(token)
    ? Buffer.from(token, "base64").toString("latin1")
    : "";
  const colon = decoded.lastIndexOf(":");
  const streamId = decoded.slice(0, Math.max(colon, 0));
  const sequence = parseSequence(decoded.slice(colon + 1));
  if (!isStreamId(streamId) || sequence === null) {
    throw new StreamError("INVALID_RESUME_TOKEN", 'resume_token must be base64 of "<stream id>:<sequence>"');
  }
  return { streamId, sequence };
}

/** A sequence as clients write it: decimal digits, a safe integer. Null where it is none. */
export function parseSequence(text: string): number | null {
  if (!/^\d{1,16}$/.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}
