import { assertStreamId, isStreamId, partitionOf, StreamError } from "@sluice/core";

/**
 * The streams of one partition, by their ids. Ids in requests, beats and messages are the word of whoever reached NATS:
 * what is of another partition would be written by two owners, and what is no id would get into keys and JSON.
 */
export class PartitionAddress {
  readonly #partition: number;
  readonly #partitions: number;

  /** @param partitions of the log */
  constructor(partition: number, partitions: number) {
    this.#partition = partition;
    this.#partitions = partitions;
  }

  has(streamId: string): boolean {
    return isStreamId(streamId) && partitionOf(streamId, this.#partitions) === this.#partition;
  }

  /** @throws StreamError INVALID_STREAM_ID, INVALID_REQUEST */
  assertHas(streamId: string): void {
    assertStreamId(streamId);
    if (!this.has(streamId)) {
      throw new StreamError("INVALID_REQUEST", `the stream is not of partition ${this.#partition}`);
    }
  }
}
