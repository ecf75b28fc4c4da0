import { compareWithDirectRuns } from "./ai-sdk-against-direct.ts";

compareWithDirectRuns();
