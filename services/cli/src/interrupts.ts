/** Signal that came first: the reason of `Interrupts.first` and `Interrupts.second`. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  readonly signal: "SIGINT" | "SIGTERM";

  constructor(signal: "SIGINT" | "SIGTERM") {
    super(`interrupted by ${signal}`);
    this.signal = signal;
  }
}

/** Signals that the command was sent: the first asks it to end, the second to hurry. The third isn't asked. */
export interface Interrupts {
  readonly first: AbortSignal;
  readonly second: AbortSignal;
}
