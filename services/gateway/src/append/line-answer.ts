import type { CancelReason } from "@sluice/core";
import type { SendReceipt } from "@sluice/producer";
import { problemOf } from "@sluice/protocol";
import type { Response } from "express";
import { AppendTally, type AppendCounts } from "./append-tally.ts";
import { NDJSON_TYPE } from "../http/request-body.ts";

/**
 * The answer to an upload that is told while the upload runs: a line for each batch that is stored, a line for each wish
 * to cancel the stream, and at last a summary or a problem.
 *
 * A sender may read its answer late, or not before it has sent everything: what its socket doesn't take is not piled up
 * here but told together, in one acknowledgement.
 */
export class LineAnswer {
  readonly #response: Response;
  #untold = new AppendTally();
  #line = 0;

  /** Begins the answer at once: whoever waits for it before sending would wait for ever. */
  constructor(response: Response) {
    this.#response = response;
    response.status(200).type(NDJSON_TYPE);
    response.setHeader("Cache-Control", "no-cache, no-transform");
    response.setHeader("X-Accel-Buffering", "no");
    response.flushHeaders();
    response.on("drain", () => this.#tell());
  }

  /** @param line the number of the last one that is stored */
  acknowledge(receipts: readonly SendReceipt[], line: number): void {
    this.#untold.add(receipts);
    this.#line = line;
    if (!this.#response.writableNeedDrain) this.#tell();
  }

  cancelled(reason: CancelReason): void {
    this.#write({ cancelled: true, reason });
  }

  finish(summary: AppendCounts & { stream_id: string }): void {
    this.#tell();
    this.#write(summary);
    this.#response.end();
  }

  fail(error: unknown): void {
    this.#tell();
    this.#write(problemOf(error));
    this.#response.end();
  }

  #tell(): void {
    if (this.#untold.accepted === 0) return;
    this.#write({ ...this.#untold.toJson(), line: this.#line });
    this.#untold = new AppendTally();
  }

  #write(value: object): void {
    if (this.#response.writableEnded || this.#response.destroyed) return;
    this.#response.write(`${JSON.stringify(value)}\n`);
  }
}
