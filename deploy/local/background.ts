import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { homeAt } from "./paths.ts";

/** Message from a launcher in the background to the one that started it, until one of the two outcomes. */
export type BackgroundMessage =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "ready" }
  | { readonly kind: "failed" };

/**
 * Starts a launcher that outlives this process, and shows what it says until it is ready.
 * @param startFile the launcher's main file
 * @param args its arguments, `--detach` among them
 * @returns the exit code for this process
 */
export async function startInBackground(
  startFile: string,
  args: readonly string[],
  homeDirectory: string,
): Promise<number> {
  const { logDirectory } = homeAt(homeDirectory);
  mkdirSync(logDirectory, { recursive: true });
  const log = openSync(join(logDirectory, "launcher.log"), "a");
  const child = spawn(process.execPath, [startFile, ...args, "--background"], {
    detached: true,
    stdio: ["ignore", log, log, "ipc"],
  });
  closeSync(log);

  const outcome = Promise.withResolvers<number>();
  child.on("message", (message: BackgroundMessage) => {
    if (message.kind === "text") process.stdout.write(message.text);
    else outcome.resolve(message.kind === "ready" ? 0 : 1);
  });
  child.once("error", (error) => {
    process.stderr.write(`sluice: ${error.message}\n`);
    outcome.resolve(1);
  });
  child.once("exit", () => outcome.resolve(1));
  // Who gives up waiting gives up the start: the other one sees the closed channel and ends what it has started.
  const code = await outcome.promise;
  if (child.connected) child.disconnect();
  child.unref();
  return code;
}
