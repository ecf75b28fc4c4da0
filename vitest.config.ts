import { defineConfig } from "vitest/config";

const everywhere = ["libs", "services", "deploy", "loadtest", "scripts"];
const inAll = (suffix: string) => everywhere.map((folder) => `${folder}/**/*.${suffix}.ts`);
const outside = ["**/node_modules/**", "**/dist/**"];

export default defineConfig({
  test: {
    reporters: ["default", "./scripts/count-reporter.ts"],
    projects: [
      {
        test: {
          name: "unit",
          // Properties run for seconds where the machine is busy with others.
          testTimeout: 30_000,
          include: inAll("test"),
          exclude: [...outside, ...inAll("integration.test"), ...inAll("fault.test")],
        },
      },
      {
        test: {
          name: "integration",
          sequence: { groupOrder: 1 },
          include: inAll("integration.test"),
          exclude: outside,
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "fault",
          include: inAll("fault.test"),
          exclude: outside,
          // These kill and pause servers: at the same time as others they would measure each other.
          sequence: { groupOrder: 2 },
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
