const LINE_END = Buffer.from("\r\n");

/**
 * Takes messages out of what a client sends to a NATS server, by their subject; all else passes byte for byte.
 * Knows no more of the protocol than where a message begins and ends (`PUB`, `HPUB`; every other operation is a line).
 */
export class NatsPublishFilter {
  readonly #isWithheld: (subject: string) => boolean;
  readonly #onWithheld: (subject: string, payload: Buffer) => void;
  #rest: Buffer = Buffer.alloc(0);

  /** @param onWithheld is given the payload without headers */
  constructor(
    isWithheld: (subject: string) => boolean,
    onWithheld: (subject: string, payload: Buffer) => void,
  ) {
    this.#isWithheld = isWithheld;
    this.#onWithheld = onWithheld;
  }

  /** Passes what goes on to the server now. An operation that isn't complete yet waits for the rest of it. */
  pass(bytes: Buffer): Buffer {
    this.#rest = this.#rest.byteLength === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const passed: Buffer[] = [];
    for (let end = this.#endOfFirst(); end !== null; end = this.#endOfFirst()) {
      const operation = this.#rest.subarray(0, end);
      this.#rest = this.#rest.subarray(end);
      if (!this.#take(operation)) passed.push(operation);
    }
    return Buffer.concat(passed);
  }

  #take(operation: Buffer): boolean {
    const message = parsePublish(operation);
    if (message === null || !this.#isWithheld(message.subject)) return false;
    const from = operation.byteLength - message.payloadBytes - LINE_END.byteLength;
    this.#onWithheld(message.subject, Buffer.from(operation.subarray(from, from + message.payloadBytes)));
    return true;
  }

  #endOfFirst(): number | null {
    const lineEnd = this.#rest.indexOf(LINE_END);
    if (lineEnd < 0) return null;
    const afterLine = lineEnd + LINE_END.byteLength;
    const message = parsePublish(this.#rest.subarray(0, afterLine));
    const end = message === null ? afterLine : afterLine + message.totalBytes + LINE_END.byteLength;
    return end <= this.#rest.byteLength ? end : null;
  }
}

/** `PUB <subject> [reply] <bytes>` or `HPUB <subject> [reply] <header bytes> <bytes>`; null: another operation. */
function parsePublish(
  operation: Buffer,
): { subject: string; totalBytes: number; payloadBytes: number } | null {
  const line = operation.toString("latin1", 0, operation.indexOf(LINE_END));
  const [name, subject = "", ...fields] = line.split(/[ \t]+/);
  const totalBytes = Number(fields.at(-1));
  if (name?.toUpperCase() === "PUB") return { subject, totalBytes, payloadBytes: totalBytes };
  if (name?.toUpperCase() !== "HPUB") return null;
  return { subject, totalBytes, payloadBytes: totalBytes - Number(fields.at(-2)) };
}
