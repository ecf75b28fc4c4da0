import { partitionOf } from "@sluice/core";
import { describe, expect, it } from "vitest";
import {
  checkpointKey,
  chunksKey,
  endedStreamsKey,
  leaseKey,
  metaKey,
  openStreamsKey,
} from "./redis-keys.ts";
import { chunkSubject, chunkTransformTarget, partitionSubjects, streamIdOfChunkSubject } from "./subjects.ts";

const IDS = ["a", "0", "_-_", "x".repeat(128), "chunk", "stream-id-123"];

describe("names on the wire", () => {
  it("lead from a stored subject back to the stream, in any partition", () => {
    for (const streamId of IDS) {
      for (const partition of [0, 9, 31, 4_095]) {
        expect(streamIdOfChunkSubject(chunkSubject(partition, streamId))).toBe(streamId);
        expect(chunkSubject(partition, streamId).startsWith(partitionSubjects(partition).slice(0, -1))).toBe(
          true,
        );
      }
    }
    expect(chunkTransformTarget(32)).toBe("chunk.{{partition(32,1)}}.{{wildcard(1)}}");
  });

  it("keep all keys of a partition under one hash tag, so that one script may touch them", () => {
    const tag = (key: string): string | undefined => /\{([^}]+)\}/.exec(key)?.[1];
    for (const streamId of IDS) {
      const partition = partitionOf(streamId, 32);
      const keys = [
        chunksKey(partition, streamId),
        metaKey(partition, streamId),
        openStreamsKey(partition),
        endedStreamsKey(partition),
        checkpointKey(partition),
        leaseKey(partition),
      ];
      expect(new Set(keys.map(tag))).toEqual(new Set([`p${partition}`]));
      expect(new Set(keys).size).toBe(keys.length);
    }
  });
});
