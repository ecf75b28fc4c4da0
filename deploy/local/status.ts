import { parseStatusOptions } from "./options.ts";
import { homeAt } from "./paths.ts";
import { readState } from "./state.ts";
import { statusJson, statusTable } from "./status-report.ts";

const options = parseStatusOptions(process.argv.slice(2));
const state = readState(homeAt(options.home).stateFile);
process.stdout.write(`${options.json ? statusJson(state) : await statusTable(state)}\n`);
if (state === undefined) process.exitCode = 1;
