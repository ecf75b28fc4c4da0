/** The SharedWorker of `shareTabs()`. */
import { serveTabs } from "./tabs-server.ts";

serveTabs();
