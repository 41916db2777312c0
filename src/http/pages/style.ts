/**
 * The one style sheet of all pages, inline in each of them. System fonts, two palettes, no images: a page is one response and asks for nothing else.
 *
 * Text has at least 4.5:1 and every border that carries meaning at least 3:1 against what lies behind it, in both palettes.
 */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f3f4f6;
  --surface: #ffffff;
  --ink: #171a1f;
  --muted: #565c68;
  --line: #e0e3e8;
  --edge: #7b828f;
  --accent: #14568c;
  --on-accent: #ffffff;
  --accent-strong: #0d4370;
  --tint: #eaf2f9;
  --caution: #fdf3dd;
  --caution-edge: #b07a10;
  --code: #f3f4f6;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "Liberation Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #111317;
    --surface: #1a1d22;
    --ink: #eceef1;
    --muted: #a8aeb9;
    --line: #2e333b;
    --edge: #7d8593;
    --accent: #8cc4ef;
    --on-accent: #0c1a26;
    --accent-strong: #b3d9f6;
    --tint: #1b2a38;
    --caution: #2f2615;
    --caution-edge: #c9983a;
    --code: #111317;
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0;
  min-height: 100vh;
  padding: clamp(1.25rem, 5vw, 4rem) 1rem 3rem;
  background: var(--ground);
  color: var(--ink);
  font: 1rem/1.55 var(--sans);
  overflow-wrap: anywhere;
}
.page-head, main { max-width: 34rem; margin-inline: auto; }
.page-head {
  display: flex;
  align-items: center;
  gap: 0.625rem;
  margin-bottom: 1.125rem;
  padding-inline: 0.25rem;
  color: var(--muted);
  font-size: 0.9375rem;
}
.page-head svg { flex: none; width: 1.375rem; height: 1.375rem; color: var(--accent); }
main {
  padding: clamp(1.375rem, 5vw, 2.25rem);
  background: var(--surface);
  border: 1px solid var(--line);
  border-radius: 0.875rem;
}
h1, h2, p, ul, ol, pre { margin: 0; }
h1 {
  font-size: clamp(1.5rem, 1.25rem + 1.2vw, 1.8125rem);
  line-height: 1.22;
  font-weight: 650;
  letter-spacing: -0.015em;
  text-wrap: balance;
}
h2 { font-size: 1.125rem; line-height: 1.3; font-weight: 650; }
p { text-wrap: pretty; }
a { color: var(--accent); text-underline-offset: 0.18em; }
a:hover { color: var(--accent-strong); }
.lede { margin-top: 0.75rem; color: var(--muted); }
.note { color: var(--muted); font-size: 0.9375rem; }
code, pre { font: 0.875rem/1.55 var(--mono); }
.copy {
  display: block;
  padding: 0.625rem 0.75rem;
  background: var(--code);
  border: 1px solid var(--line);
  border-radius: 0.5rem;
  white-space: pre-wrap;
  user-select: all;
}
.reference { margin-top: 2rem; padding-top: 1.125rem; border-top: 1px solid var(--line); }
.reference, .reference code { color: var(--muted); font-size: 0.8125rem; }
.reference code { user-select: all; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; border-radius: 0.25rem; }

.facts { margin-top: clamp(1.25rem, 4vw, 1.75rem); }
.fact { padding-block: clamp(1rem, 3vw, 1.25rem); border-top: 1px solid var(--line); }
.fact h2 { margin-bottom: 0.375rem; color: var(--muted); font-size: 0.875rem; font-weight: 550; }
.fact .note { margin-top: 0.375rem; }
.who, .what { font-size: 1.1875rem; line-height: 1.35; font-weight: 600; }
/* A stranger chose this text: it gets three lines of its own and no way out of them. */
.who {
  display: -webkit-box;
  -webkit-box-orient: vertical;
  -webkit-line-clamp: 3;
  max-height: 4.05em;
  overflow: hidden;
}
.sealed { display: flex; gap: 0.5rem; align-items: baseline; }
.sealed svg { flex: none; width: 0.9375rem; height: 0.9375rem; translate: 0 0.125rem; color: var(--accent); }
.what + code { color: var(--muted); font-size: 0.8125rem; }
.rights { margin-top: 0.75rem; padding-left: 1.125rem; }
.rights li { padding-left: 0.125rem; }
.rights li + li { margin-top: 0.25rem; }
.rights li::marker { color: var(--muted); }
.rights .note { font-size: 0.8125rem; }
.where {
  margin-block: 0.25rem 0;
  padding: 1.125rem 1.25rem 1.25rem;
  background: var(--tint);
  border: 1px solid var(--accent);
  border-radius: 0.625rem;
}
.lede + .where { margin-top: 1.5rem; }
.where.caution { background: var(--caution); border-color: var(--caution-edge); }
.where h2 { margin-bottom: 0.3125rem; font-size: 0.875rem; font-weight: 600; }
.where h2, .where .note { color: var(--ink); }
.where .note { margin-top: 0.5rem; }
.destination {
  font-size: clamp(1.375rem, 1.1rem + 1.6vw, 1.75rem);
  line-height: 1.22;
  font-weight: 700;
  letter-spacing: -0.01em;
}
.decide { margin-top: 1.5rem; }
.choices { display: flex; flex-wrap: wrap; gap: 0.75rem; margin-top: 1rem; }
.button {
  flex: 1 1 7rem;
  min-height: 3rem;
  padding: 0.625rem 1.25rem;
  border: 1px solid var(--edge);
  border-radius: 0.5rem;
  background: var(--surface);
  color: var(--ink);
  font: 600 1rem/1.4 var(--sans);
  text-align: center;
  text-decoration: none;
  cursor: pointer;
}
.button:hover { border-color: var(--ink); color: var(--ink); }
.button.primary { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
.button.primary:hover { background: var(--accent-strong); border-color: var(--accent-strong); color: var(--on-accent); }
.button:focus-visible { border-radius: 0.5rem; }
a.button { display: inline-flex; align-items: center; justify-content: center; margin-top: 1.5rem; }

.next { margin-top: 1.5rem; padding-top: 1.25rem; border-top: 1px solid var(--line); }
.next p { margin-top: 0.25rem; }

.endpoint { margin-top: 1.75rem; padding-top: 1.5rem; border-top: 1px solid var(--line); }
.endpoint > .note { margin-top: 0.125rem; }
.endpoint > .copy, h1 ~ .copy { margin-top: 0.75rem; }
.guides { margin-top: 1.25rem; border: 1px solid var(--line); border-radius: 0.625rem; }
.guides > details + details { border-top: 1px solid var(--line); }
summary {
  display: flex;
  align-items: center;
  gap: 0.75rem;
  min-height: 2.875rem;
  padding: 0.5rem 1rem;
  border-radius: 0.625rem;
  font-weight: 600;
  cursor: pointer;
  list-style: none;
}
summary::-webkit-details-marker { display: none; }
summary::before {
  content: "";
  flex: none;
  width: 0.4375rem;
  height: 0.4375rem;
  border: solid var(--muted);
  border-width: 0 2px 2px 0;
  rotate: -45deg;
}
details[open] > summary::before { rotate: 45deg; }
summary:hover { color: var(--accent-strong); }
summary:focus-visible { outline-offset: -3px; border-radius: 0.625rem; }
.steps { padding: 0.125rem 1rem 1.25rem 2.1875rem; list-style-position: outside; }
.steps > li + li { margin-top: 0.875rem; }
.steps > li::marker { color: var(--muted); }
.steps .copy { margin-top: 0.375rem; font-size: 0.8125rem; }
.steps .button { margin-top: 0.25rem; min-height: 2.625rem; padding-block: 0.5rem; }
.steps .button + p, .steps .copy + p { margin-top: 0.75rem; }
.unreachable { padding: 0.125rem 1rem 1.125rem; }
.after { margin-top: 1.5rem; }
.connect { margin-top: 0.75rem; }
.connect > summary { padding-inline: 0; }
.connect > .guides { margin-top: 0.25rem; }
@media (max-width: 30rem) {
  body { padding-inline: 0.75rem; }
  .steps { padding-inline: 1.75rem 0.75rem; }
}
@media (forced-colors: active) {
  .button.primary { border-width: 3px; }
  summary::before { border-color: CanvasText; }
}
`
