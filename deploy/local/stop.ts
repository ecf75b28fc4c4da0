import { isAlive, waitUntil } from "@sluice/servers";
import { parseStopOptions } from "./options.ts";
import { homeAt } from "./paths.ts";
import { clearState, readState } from "./state.ts";

// Longer than the launcher takes when each group of its processes hangs on its way down.
const STOP_TIMEOUT_MS = 40_000;

const { stateFile } = homeAt(parseStopOptions(process.argv.slice(2)).home);
const state = readState(stateFile);
if (state === undefined) {
  process.stdout.write("Nothing runs.\n");
} else {
  const { pid } = state.launcher;
  const gone = (): Promise<boolean> => Promise.resolve(!isAlive(pid));
  process.stdout.write(`Stopping ${state.processes.length} processes (launcher pid ${pid})\n`);
  process.kill(pid, "SIGTERM");
  try {
    await waitUntil("the end of the launcher", gone, { timeoutMs: STOP_TIMEOUT_MS });
    process.stdout.write("Stopped.\n");
  } catch {
    // Its children die with it.
    process.kill(pid, "SIGKILL");
    clearState(stateFile);
    process.stdout.write("It did not end by itself and was killed.\n");
  }
}
