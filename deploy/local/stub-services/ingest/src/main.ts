import { runStubService } from "../../stub-service.ts";

runStubService();
