import "./chat.css";
import { render } from "preact";
import { Readings } from "../reading/readings.ts";
import { startTheme } from "../shell/theme.ts";
import { loadWebConfig } from "../shell/web-config.ts";
import { Answers } from "./answers.ts";
import { ChatPage } from "./chat-page.tsx";

startTheme();
const answers = new Answers();
const root = document.querySelector("#app");
if (root !== null) {
  // Stored answers are shown while the gateway is asked.
  render(<ChatPage answers={answers} service={null} />, root);
  const config = await loadWebConfig();
  render(<ChatPage answers={answers} service={{ config, readings: new Readings(config.edgeUrl) }} />, root);
}
