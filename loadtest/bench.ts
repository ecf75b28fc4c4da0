import { Command } from "commander";
import { addClientCommand } from "./questions/client.ts";
import { addEndToEndCommand } from "./questions/end-to-end.ts";
import { addFanoutCommand } from "./questions/fanout.ts";
import { addHostileCommand } from "./questions/hostile.ts";
import { addIdleCommand } from "./questions/idle.ts";
import { addIngestCommand } from "./questions/ingest.ts";
import { addPublishCommand } from "./questions/publish.ts";
import { addResumeCommand } from "./questions/resume.ts";

const program = new Command("npm run bench --").description(
  "Measures Sluice as real processes on this machine. Each question starts what it needs, and ends by itself.",
);
addIngestCommand(program);
addPublishCommand(program);
addFanoutCommand(program);
addResumeCommand(program);
addIdleCommand(program);
addEndToEndCommand(program);
addClientCommand(program);
addHostileCommand(program);
await program.parseAsync();
