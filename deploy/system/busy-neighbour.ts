/**
 * A process that wants two processors and nothing else: what a heavy client and the servers that it keeps busy take from
 * everybody on one machine, without any of it going through ours.
 */
import { Worker } from "node:worker_threads";

const spin = "for (;;);";

for (let thread = 0; thread < 2; thread++) void new Worker(spin, { eval: true });
