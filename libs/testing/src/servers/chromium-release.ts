import { createRequire } from "node:module";
import { delimiter, join } from "node:path";
import { access, constants } from "node:fs/promises";
import {
  installWithApt,
  runCommand,
  executableName,
  type InstallContext,
  type InstallWay,
  type ServerProgram,
} from "@sluice/servers";

const DOWNLOAD_TIMEOUT_MS = 300_000;
const OTHER_NAMES = ["chromium-browser", "google-chrome-stable", "google-chrome", "chrome"];
const MAC_CHROME = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";

const otherName: InstallWay = {
  title: "look for it under its other names, and at CHROMIUM_PATH",
  async install(): Promise<string> {
    const given = process.env["CHROMIUM_PATH"] ?? "";
    const folders = (process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
    const named = folders.flatMap((folder) => OTHER_NAMES.map((name) => join(folder, executableName(name))));
    for (const path of [given, ...named, MAC_CHROME]) {
      if (path !== "" && (await isExecutable(path))) return path;
    }
    throw new Error(`none of ${OTHER_NAMES.join(", ")} is on PATH`);
  },
};

const playwrightDownload: InstallWay = {
  title: "have playwright download its own (about 100 MB)",
  async install({ cacheDirectory, report }: InstallContext): Promise<string> {
    const cli = createRequire(import.meta.url).resolve("playwright-core/cli.js");
    const environment = { ...process.env, PLAYWRIGHT_BROWSERS_PATH: join(cacheDirectory, "playwright") };
    await runCommand(process.execPath, [cli, "install", "chromium"], {
      timeoutMs: DOWNLOAD_TIMEOUT_MS,
      env: environment,
      onLine: (line) => report(`  ${line}`),
    });
    const script = `process.stdout.write(require(${JSON.stringify(cli.replace(/cli\.js$/, ""))}).chromium.executablePath())`;
    const path = await runCommand(process.execPath, ["-e", script], {
      timeoutMs: DOWNLOAD_TIMEOUT_MS,
      env: environment,
    });
    return path.trim();
  },
};

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Not a server, but had in the same ways. The pages' colours need `light-dark()`, which came with 123. */
export const CHROMIUM: ServerProgram = {
  name: "chromium",
  minimumVersion: "123.0.0",
  ways: [
    otherName,
    installWithApt({ aptPackage: "chromium", file: "/usr/bin/chromium", program: "chromium" }),
    playwrightDownload,
  ],
  byHand: [
    "Debian     sudo apt-get install chromium",
    "macOS      brew install --cask google-chrome",
    "anywhere   CHROMIUM_PATH=<the program>",
  ],
};
