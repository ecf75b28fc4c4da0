import type { ComponentChildren } from "preact";
import { useStore } from "./store.ts";
import { chooseTheme, theme, THEMES, type Theme } from "./theme.ts";

export function Bar(props: { page: "chat" | "console"; children?: ComponentChildren }) {
  const link = (page: "chat" | "console", label: string) => (
    <a href={`/${page}/`} {...(page === props.page ? { "aria-current": "page" as const } : {})}>
      {label}
    </a>
  );
  return (
    <header class="bar">
      <a class="skip-link" href="#main">
        Skip to the content
      </a>
      <a class="brand" href="/chat/">
        <Mark />
        Sluice
      </a>
      <nav aria-label="Pages">
        {link("chat", "Chat")}
        {link("console", "Console")}
      </nav>
      <div class="bar-end">
        {props.children}
        <ThemeSwitch />
      </div>
    </header>
  );
}

function Mark() {
  return (
    <svg width="22" height="22" viewBox="0 0 24 24" fill="none" aria-hidden="true">
      <rect width="24" height="24" rx="6" fill="var(--accent)" />
      <g stroke="var(--on-accent)" stroke-width="2" stroke-linecap="round">
        <path d="M6 4.5v15M18 4.5v15M6 6h12" />
        <path d="M9.5 10.5h5M9.5 14h5M9.5 17.5h5" opacity="0.65" />
      </g>
    </svg>
  );
}

const ICONS: Record<Theme, string> = {
  system: "M4 5.5h16v10H4zM9 19.5h6M12 15.5v4",
  light:
    "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1M18.4 5.6l-1.1 1.1M6.7 17.3l-1.1 1.1",
  dark: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z",
};

function ThemeSwitch() {
  const current = useStore(theme);
  const next = THEMES[(THEMES.indexOf(current) + 1) % THEMES.length] ?? "system";
  const label = `Theme: ${current}. Switch to ${next}.`;
  return (
    <button
      type="button"
      class="button quiet icon"
      aria-label={label}
      title={label}
      onClick={() => chooseTheme(next)}
    >
      <Icon path={ICONS[current]} />
    </button>
  );
}

/** Draws an icon: one stroke on a grid of 24 by 24. */
export function Icon(props: { path: string; size?: number }) {
  const size = props.size ?? 18;
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentcolor"
      stroke-width="1.75"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      <path d={props.path} />
    </svg>
  );
}
