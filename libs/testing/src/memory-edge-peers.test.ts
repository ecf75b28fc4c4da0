import { edgePeersContract } from "./edge-peers-contract.ts";
import { MemoryEdgePeers } from "./memory-edge-peers.ts";

edgePeersContract("MemoryEdgePeers", async () => {
  const peers = new MemoryEdgePeers();
  return { asker: peers, pods: [peers, peers], settle: async () => {}, close: async () => {} };
});
