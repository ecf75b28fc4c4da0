import { Command } from "commander";
import { addIngestCommand } from "./questions/ingest.ts";

const program = new Command("npm run bench --").description(
  "Measures Sluice as real processes on this machine. Each question starts what it needs, and ends by itself.",
);
addIngestCommand(program);
await program.parseAsync();
