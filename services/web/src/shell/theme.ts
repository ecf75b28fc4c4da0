import { Store } from "./store.ts";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const KEY = "sluice.theme";

/** Theme that was chosen in this browser; follows a choice in another tab. */
export const theme = new Store<Theme>("system");

export function startTheme(): void {
  const apply = (): void => {
    const stored = localStorage.getItem(KEY);
    theme.set(THEMES.find((name) => name === stored) ?? "system");
  };
  const show = (): void => {
    if (theme.value === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme.value;
  };
  theme.subscribe(show);
  apply();
  addEventListener("storage", apply);
}

export function chooseTheme(chosen: Theme): void {
  localStorage.setItem(KEY, chosen);
  theme.set(chosen);
}
