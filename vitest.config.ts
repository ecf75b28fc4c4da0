import { defineConfig } from "vitest/config";

const everywhere = ["libs", "services", "deploy", "loadtest", "scripts"];
const inAll = (suffix: string) => everywhere.map((folder) => `${folder}/**/*.${suffix}.ts`);
const outside = ["**/node_modules/**", "**/dist/**"];
/** Kinds of tests that need more than this process, each with its own ending and its own project. */
const SERVER_KINDS = ["integration", "fault", "load"];

export default defineConfig({
  test: {
    reporters: ["default", "./scripts/count-reporter.ts"],
    // Projects run one after another, in this order: each has the machine to itself.
    projects: [
      {
        test: {
          name: "unit",
          include: inAll("test"),
          exclude: [...outside, ...SERVER_KINDS.flatMap((kind) => inAll(`${kind}.test`))],
          // More than there are cores: a quarter of their time is waiting for timers and sockets.
          maxWorkers: 4,
          // Properties run for seconds where the machine is busy with others.
          testTimeout: 30_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          name: "integration",
          include: inAll("integration.test"),
          exclude: outside,
          // More than there are cores: these wait for servers and processes most of the time.
          maxWorkers: 3,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: "fault",
          include: inAll("fault.test"),
          exclude: outside,
          // Each has servers of its own, and mostly waits for leases, time-outs and restarts to pass.
          maxWorkers: 2,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 2 },
        },
      },
      {
        test: {
          // Tests that keep the machine busy, or compare how fast something is beside a run of its own: one at a time.
          name: "load",
          include: inAll("load.test"),
          exclude: outside,
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 3 },
        },
      },
    ],
  },
});
