/** The style of an explanation's page, in light and dark. */

export const pageStyle = `
:root {
  --ink: #1c2430; --soft: #566072; --ground: #f6f5f1; --card: #ffffff; --line: #d9d6cd;
  --accent: #1f5f8b; --on-accent: #ffffff; --for: #2f7fd6; --against: #e07b28;
  --ramp-0: #f3f5f8; --ramp-1: #79b4e0; --ramp-2: #0b3358; --cross: #e07b28;
  font: 16px/1.5 system-ui, sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e8eaee; --soft: #a5afbf; --ground: #14181f; --card: #1d232d; --line: #343d4b;
    --accent: #7db9de; --on-accent: #10202c; --for: #3f8fe6; --against: #d8701c;
    --ramp-0: #171c24; --ramp-1: #23679c; --ramp-2: #d6edff; --cross: #ffb067;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0 auto; max-width: 100rem; padding: 1.25rem 1.25rem 3rem; color: var(--ink); background: var(--ground); }
header, .row { display: flex; align-items: baseline; gap: .5rem 1rem; flex-wrap: wrap; }
header { margin-bottom: 1rem; }
h1, h2, h3, p { margin: 0; }
h1 { font-size: 1.4rem; letter-spacing: -.01em; }
h2 { font-size: 1.2rem; overflow-wrap: anywhere; }
h3 { font-size: 1rem; min-width: 9rem; }
h2 .hint { font-weight: 400; }
header p, .hint { color: var(--soft); font-size: .875rem; }
.mark { width: 1.1rem; height: 1.1rem; align-self: center; border-radius: 3px;
  background: conic-gradient(var(--accent) 25%, var(--ramp-1) 0 50%, var(--accent) 0 75%, var(--ramp-1) 0); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 1.1rem 1.25rem; margin-top: 1rem; }
section > .row + * { margin-top: .9rem; }
.chance { font-weight: 600; padding: 0 .55rem; border-radius: 1rem; color: var(--on-accent); background: var(--accent); }
.tabs { display: flex; flex-wrap: wrap; border: 1px solid var(--line); border-radius: 7px; overflow: hidden; }
.tabs:empty { display: none; }
.tabs button { font: inherit; font-size: .9rem; color: inherit; background: none; border: 0; padding: .25rem .8rem; cursor: pointer; }
.tabs button[aria-pressed=true] { color: var(--on-accent); background: var(--accent); }
.check { font-size: .9rem; display: flex; gap: .4rem; align-items: center; cursor: pointer; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.split { display: grid; grid-template-columns: 3fr 2fr; gap: 1.5rem; }
.text { font-size: 1.15rem; line-height: 2; overflow-wrap: anywhere; }
.text.small { font-size: .95rem; line-height: 1.8; max-height: 9.5rem; overflow: auto; margin-top: .5rem; }
.token { padding: .12em 0; cursor: default; white-space: pre-wrap; }
.token.first { border-radius: 4px 0 0 4px; padding-left: .14em; }
.token.last { border-radius: 0 4px 4px 0; padding-right: .14em; }
.token.first.last { border-radius: 4px; }
.token.special { font-size: .78em; font-family: ui-monospace, monospace; }
.token.joined { box-shadow: 0 2px 0 var(--ink); }
.token.chosen { outline: 2px solid var(--cross); outline-offset: 0; }
.small .token { cursor: pointer; }
.readout { min-height: 1.6rem; font-size: .9rem; color: var(--soft); font-variant-numeric: tabular-nums; }
.readout b { color: var(--ink); }
.bars { list-style: none; margin: 0; padding: 0; display: grid; gap: .3rem; font-size: .9rem; }
.bars li { display: grid; grid-template-columns: minmax(4rem, 10rem) 4.2rem 1fr; gap: .6rem; align-items: center; }
.bars .name { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.bars .number { text-align: right; font-variant-numeric: tabular-nums; }
.bars .track { position: relative; height: .8rem; }
.bars .fill { position: absolute; inset: 0 auto 0 0; border-radius: 3px; }
.maps { display: grid; grid-template-columns: minmax(14rem, 2fr) 5fr; gap: 1.5rem; align-items: start; }
.map { min-width: 0; }
#overview { display: grid; gap: 3px; font-size: .75rem; color: var(--soft); text-align: center; align-items: center; }
#overview button { display: block; padding: 0; border: 0; background: none; cursor: pointer; border-radius: 2px; line-height: 0; }
#overview button[aria-pressed=true] { outline: 2px solid var(--cross); outline-offset: 1px; }
#overview button.mean { margin-left: 4px; }
#overview canvas { width: 100%; aspect-ratio: 1; border-radius: 2px; image-rendering: pixelated; }
#overview + .hint { margin-top: .5rem; }
.ramp { width: 8rem; height: .7rem; align-self: center; border-radius: 3px; border: 1px solid var(--line);
  background: linear-gradient(90deg, var(--ramp-0), var(--ramp-1), var(--ramp-2)); }
.scroll { overflow: auto; max-height: 85vh; margin-top: .25rem; }
#map { cursor: crosshair; display: block; }
@media (max-width: 60rem) { .split, .maps { grid-template-columns: 1fr; } }
`;
