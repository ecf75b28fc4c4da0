import { expect, it } from "vitest";
import { describeContract } from "./describe-contract.ts";
import {
  StreamError,
  type ConnectionPage,
  type ConnectionRecord,
  type EdgePeers,
  type EdgePod,
  type StreamChange,
  type Subscription,
} from "@sluice/core";

export interface EdgePeersUnderTest {
  asker: EdgePeers;
  /** Pods on connections of their own. */
  pods: readonly [EdgePeers, EdgePeers];
  /** Resolves when `serve` calls made so far are in force for the asker. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

const DEADLINE_MS = 5_000;

/** Promises of every EdgePeers. */
export function edgePeersContract(name: string, open: () => Promise<EdgePeersUnderTest>): void {
  describeContract("EdgePeers", name, open, (contract) => {
    const serve = async (pod: 0 | 1, podId: string, answers: Partial<EdgePod>): Promise<Subscription> => {
      const idle: EdgePod = {
        changeStreams: async () => {},
        listConnections: () => ({ connections: [], hasMore: false }),
      };
      const subscription = contract.subject.pods[pod].serve(podId, { ...idle, ...answers });
      return contract.settled(subscription);
    };
    const add: StreamChange = {
      kind: "add",
      connectionId: "p1.abc",
      streamId: "s",
      start: { kind: "tail", count: 3 },
    };
    const drop: StreamChange = { kind: "drop", connectionId: "p1.abc", streamId: "s" };

    it("takes a change to the pod that is named and to no other, and resolves when that is done", async () => {
      const done: [string, StreamChange][] = [];
      const take = (podId: string): Partial<EdgePod> => ({
        changeStreams: async (change) => {
          await Promise.resolve();
          done.push([podId, change]);
        },
      });
      await serve(0, "p1", take("p1"));
      await serve(1, "p2", take("p2"));
      await contract.subject.asker.changeStreams("p1", add, DEADLINE_MS);
      await contract.subject.asker.changeStreams("p2", drop, DEADLINE_MS);
      expect(done).toEqual([
        ["p1", add],
        ["p2", drop],
      ]);
    });

    it("refuses with what the pod refused with", async () => {
      await serve(0, "p1", {
        changeStreams: () => Promise.reject(new StreamError("ALREADY_FOLLOWED", "it has that")),
      });
      await expect(contract.subject.asker.changeStreams("p1", add, DEADLINE_MS)).rejects.toMatchObject({
        code: "ALREADY_FOLLOWED",
        message: "it has that",
      });
    });

    it("says at once that there is no connection where there is no pod, also after it has stopped", async () => {
      const stopped = await serve(0, "p1", {});
      stopped.close();
      stopped.close();
      await contract.subject.settle();
      const startedAt = performance.now();
      for (const podId of ["p1", "never"]) {
        await expect(contract.subject.asker.changeStreams(podId, add, 60_000)).rejects.toMatchObject({
          code: "CONNECTION_NOT_FOUND",
        });
      }
      expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS);
    });

    it("gives up with CONNECTION where the pod doesn't answer in time", async () => {
      await serve(0, "p1", { changeStreams: () => new Promise(() => undefined) });
      await expect(contract.subject.asker.changeStreams("p1", add, 50)).rejects.toMatchObject({
        code: "CONNECTION",
      });
    });

    it("gathers a page of each pod, in bounded time", async () => {
      const pageOf = (podId: string, after: string, limit: number): ConnectionPage => ({
        connections: [record(`${podId}.after-${after}`)],
        hasMore: limit === 7,
      });
      await serve(0, "p1", { listConnections: ({ after, limit }) => pageOf("p1", after, limit) });
      await serve(1, "p2", { listConnections: ({ after, limit }) => pageOf("p2", after, limit) });
      const startedAt = performance.now();
      const pages = await contract.subject.asker.listConnections({ after: "x", limit: 7 }, 2_000);
      expect(performance.now() - startedAt).toBeLessThan(DEADLINE_MS);
      const ids = pages.map(({ connections }) => connections[0]?.connectionId);
      expect(new Set(ids)).toEqual(new Set(["p1.after-x", "p2.after-x"]));
      expect(pages[0]).toEqual({
        connections: [record(pages[0]!.connections[0]!.connectionId)],
        hasMore: true,
      });
    });

    it("gathers nothing where there is no pod", async () => {
      expect(await contract.subject.asker.listConnections({ after: "", limit: 7 }, 500)).toEqual([]);
    });
  });
}

function record(connectionId: string): ConnectionRecord {
  return {
    connectionId,
    streams: [
      { streamId: "s", lastSequence: 4, phase: "live" },
      { streamId: "t", lastSequence: null, phase: "replay" },
    ],
    connectedMs: 1,
    lastSeenMs: 2,
    address: "192.0.2.1",
    userAgent: "☂",
  };
}
