/** The style of the page; colours meet WCAG AA contrast in both schemes. */

export const pageStyle = `
:root {
  --ink: #1c2430; --soft: #566072; --ground: #f6f5f1; --card: #ffffff; --line: #d9d6cd;
  --accent: #1f5f8b; --on-accent: #ffffff; --bar: #7fb2d3; --error: #a3262a;
  font: 16px/1.5 system-ui, sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e8eaee; --soft: #a5afbf; --ground: #14181f; --card: #1d232d; --line: #343d4b;
    --accent: #7db9de; --on-accent: #10202c; --bar: #2f6d96; --error: #ff9a97;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0 auto; max-width: 46rem; padding: 1.5rem 1rem 3rem; color: var(--ink); background: var(--ground); }
header { display: flex; align-items: baseline; gap: .75rem; margin-bottom: 1rem; }
header p, h1 { margin: 0; }
header p { color: var(--soft); }
.mark { width: 1.1rem; height: 1.1rem; align-self: center; background:
  conic-gradient(var(--accent) 25%, var(--bar) 0 50%, var(--accent) 0 75%, var(--bar) 0); border-radius: 3px; }
h1 { font-size: 1.4rem; letter-spacing: -.01em; }
h2 { font-size: 1.05rem; margin: 0 0 .75rem; }
form, section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1.25rem; }
section { margin-top: 1rem; }
label { display: block; font-weight: 600; margin: .9rem 0 .3rem; }
label:first-child { margin-top: 0; }
select, textarea, input[type=password] { width: 100%; font: inherit; color: inherit; background: var(--ground);
  border: 1px solid var(--soft); border-radius: 6px; padding: .5rem .6rem; }
textarea { resize: vertical; }
#painted { max-width: 100%; image-rendering: pixelated; }
.row { display: flex; align-items: center; gap: 1rem; margin-top: 1rem; flex-wrap: wrap; }
button { font: inherit; font-weight: 600; color: var(--on-accent); background: var(--accent);
  border: 0; border-radius: 6px; padding: .55rem 1.4rem; cursor: pointer; }
button:disabled { opacity: .6; cursor: progress; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.hint { color: var(--soft); font-size: .875rem; margin: .35rem 0 0; }
.row .hint { margin: 0; }
#bars { list-style: none; margin: 0; padding: 0; display: grid; gap: .5rem; }
#bars li { position: relative; display: flex; justify-content: space-between; gap: 1rem; padding: .45rem .7rem;
  border: 1px solid var(--line); border-radius: 6px; overflow: hidden; }
#bars .fill { position: absolute; inset: 0 auto 0 0; background: var(--bar); opacity: .55; }
#bars .name, #bars .score { position: relative; overflow-wrap: anywhere; }
#bars .score { font-variant-numeric: tabular-nums; }
pre { overflow: auto; white-space: pre-wrap; max-height: 20rem; padding: .75rem; background: var(--ground); border-radius: 6px; font-size: .85rem; }
.error { color: var(--error); font-weight: 600; margin: 0; }
footer { margin-top: 1.25rem; display: flex; gap: 1.25rem; }
a { color: var(--accent); }
`;
