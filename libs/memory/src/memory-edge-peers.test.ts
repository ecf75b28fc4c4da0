import { edgePeersContract } from "@sluice/testing";
import { MemoryEdgePeers } from "./memory-edge-peers.ts";

edgePeersContract("MemoryEdgePeers", async () => {
  const peers = new MemoryEdgePeers();
  return { asker: peers, pods: [peers, peers], settle: async () => {}, close: async () => {} };
});
