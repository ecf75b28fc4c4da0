import { startInBackground } from "./background.ts";
import type { BackgroundMessage } from "./background.ts";
import { Launch } from "./launch.ts";
import { parseStartOptions } from "./options.ts";
import type { StartOptions } from "./options.ts";

// A terminal's Ctrl-C can arrive twice, from the terminal and from npm; a second one by hand takes longer.
const SAME_KEY_PRESS_MS = 300;

const args = process.argv.slice(2);
const options = parseStartOptions(args);
if (options.detach && !options.background) {
  process.exitCode = await startInBackground(import.meta.filename, args, options.home);
} else {
  await runToTheEnd(options);
}

async function runToTheEnd(startOptions: StartOptions): Promise<void> {
  const tell = (message: BackgroundMessage): void => {
    if (process.connected) process.send?.(message);
  };
  const write = (text: string): void => {
    process.stdout.write(text);
    tell({ kind: "text", text });
  };
  // The reader of our output may be gone, as in `npm start | head`; Sluice goes on without it.
  process.stdout.on("error", () => {});

  const launch = new Launch({ ...startOptions, environment: process.env, write });
  let firstSignalAt: number | undefined;
  const end = (): void => {
    if (firstSignalAt === undefined) {
      firstSignalAt = Date.now();
      write("\nStopping; another Ctrl-C ends everything at once.\n");
      void launch.stop().then(() => {
        write("Stopped.\n");
        process.exit(0);
      });
    } else if (Date.now() - firstSignalAt > SAME_KEY_PRESS_MS) {
      launch.killAll();
      process.exit(130);
    }
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);
  const parentGone = (): void => end();
  process.once("disconnect", parentGone);

  try {
    await launch.start();
    process.off("disconnect", parentGone);
    tell({ kind: "ready" });
  } catch (error) {
    // While it is stopping, the failure is that it was stopped.
    if (firstSignalAt !== undefined) return;
    process.off("disconnect", parentGone);
    write(`\n${error instanceof Error ? error.message : String(error)}\n`);
    tell({ kind: "failed" });
    // What was written and sent must leave first.
    setTimeout(() => process.exit(1), 100);
  }
}
