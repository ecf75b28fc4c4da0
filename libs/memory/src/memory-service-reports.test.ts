import { MemoryServiceReports } from "./memory-service-reports.ts";
import { serviceReportsContract } from "@sluice/testing";

serviceReportsContract("MemoryServiceReports", async () => {
  const reports = new MemoryServiceReports();
  return { asker: reports, processes: [reports, reports], settle: async () => {}, close: async () => {} };
});
