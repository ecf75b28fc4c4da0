import { answerPrompt, runStubService } from "../../stub-service.ts";

runStubService({ handle: answerPrompt, listen: { port: Number(process.env["PORT"]) } });
