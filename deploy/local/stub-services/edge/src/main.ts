import { runStubService, streamAnswer } from "../../stub-service.ts";

runStubService({ handle: streamAnswer, listen: { port: Number(process.env["PORT"]), reusePort: true } });
