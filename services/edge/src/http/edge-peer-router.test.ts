import type { ConnectionPage } from "@sluice/core";
import { MemoryEdgePeers } from "@sluice/memory";
import { expect, test } from "vitest";
import { ConnectionRegistry } from "../connection/connection-registry.ts";
import { EdgePeerRouter } from "./edge-peer-router.ts";

function pageOf(ids: readonly string[], hasMore: boolean): ConnectionPage {
  const rest = { streams: [], connectedMs: 1, lastSeenMs: 1, address: "", userAgent: "" };
  return { connections: ids.map((connectionId) => ({ connectionId, ...rest })), hasMore };
}

test("a page over all pods ends where one of theirs was cut: what may stand between isn't passed over", async () => {
  const peers = new MemoryEdgePeers();
  const changeStreams = async (): Promise<void> => {};
  peers.serve("b", { changeStreams, listConnections: () => pageOf(["b.1", "b.2", "b.3"], false) });
  peers.serve("a", { changeStreams, listConnections: () => pageOf(["a.1"], true) });
  const peerRouter = new EdgePeerRouter(peers, new ConnectionRegistry(), { peerTimeoutMs: 100 });
  const { connections, hasMore } = await peerRouter.listAll({ after: "", limit: 10 });
  expect(connections.map(({ connectionId }) => connectionId)).toEqual(["a.1"]);
  expect(hasMore).toBe(true);
});
