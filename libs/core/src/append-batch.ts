import type { AppendBatch } from "./chunk-cache.ts";
import { partitionOf } from "./stream-id.ts";

/**
 * Asserts what every cache relies on: a batch is of one partition, in log order, and within its bounds.
 * @throws Error
 */
export function assertAppendBatch(batch: AppendBatch, partitions: number): void {
  let last = batch.readAfter;
  for (const { streamId, brokerSequence } of batch.entries) {
    if (partitionOf(streamId, partitions) !== batch.partition) {
      throw new Error(`stream ${streamId} is not of partition ${batch.partition}`);
    }
    if (brokerSequence <= last) throw new Error(`broker sequence ${brokerSequence} comes after ${last}`);
    last = brokerSequence;
  }
  if (batch.checkpoint.brokerSequence < last) {
    throw new Error(`the checkpoint ${batch.checkpoint.brokerSequence} is below ${last}`);
  }
}
