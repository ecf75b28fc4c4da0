import "./console.css";
import { render } from "preact";
import { startTheme } from "../shell/theme.ts";
import { loadWebConfig } from "../shell/web-config.ts";
import { ConsolePage } from "./console-page.tsx";

startTheme();
const root = document.querySelector("#app");
if (root !== null) render(<ConsolePage config={await loadWebConfig()} />, root);
