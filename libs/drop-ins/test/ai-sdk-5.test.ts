import { vi } from "vitest";
import { compareWithDirectRuns } from "./ai-sdk-against-direct.ts";

vi.mock("ai", () => import("ai-5"));

compareWithDirectRuns();
