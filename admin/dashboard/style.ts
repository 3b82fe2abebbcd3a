/** The style of the dashboard: light and dark by the browser, and one column on a telephone. */
export const dashboardStyle = `
  :root { color-scheme: light dark; --line: #d9dde3; --quiet: #5b6472; --card: #ffffff; --ground: #f5f6f8; --ink: #16181d;
    --one: #2563eb; --two: #0d9488; --bad: #c2410c; }
  @media (prefers-color-scheme: dark) { :root { --line: #2d323b; --quiet: #9aa3b2; --card: #191c22; --ground: #101216;
    --ink: #e8eaee; --one: #7aa2ff; --two: #3fd0bd; --bad: #fb923c; } }
  * { box-sizing: border-box; }
  body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
  header { display: flex; flex-wrap: wrap; gap: .25rem 1rem; align-items: baseline; padding: 1rem 1.25rem .5rem; }
  h1 { margin: 0; font-size: 1.375rem; letter-spacing: -.01em; }
  h2 { margin: 0 0 .5rem; font-size: .9375rem; }
  header p { margin: 0; color: var(--quiet); }
  main { display: grid; gap: .75rem; padding: .5rem 1.25rem 2rem; grid-template-columns: repeat(12, minmax(0, 1fr)); }
  section { background: var(--card); border: 1px solid var(--line); border-radius: .625rem; padding: .875rem 1rem; }
  .number { grid-column: span 2; }
  .number p { margin: 0; font-size: 1.625rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
  .number h2 { margin: 0; font-weight: 400; color: var(--quiet); font-size: .8125rem; }
  .curve { grid-column: span 6; }
  .wide { grid-column: span 12; overflow-x: auto; }
  .legend { color: var(--quiet); font-size: .8125rem; font-variant-numeric: tabular-nums; }
  .legend b { font-weight: 600; }
  .one { color: var(--one); } .two { color: var(--two); } .bad { color: var(--bad); }
  svg { display: block; width: 100%; height: 7.5rem; }
  polyline { fill: none; stroke-width: 1.75; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
  polyline.one { stroke: var(--one); } polyline.two { stroke: var(--two); }
  line { stroke: var(--line); vector-effect: non-scaling-stroke; }
  table { width: 100%; border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
  th { text-align: left; font-weight: 500; color: var(--quiet); white-space: nowrap; }
  th, td { padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
  td { overflow-wrap: anywhere; min-width: 3.5rem; }
  tr:last-child td { border-bottom: 0; }
  form { display: flex; flex-wrap: wrap; gap: .5rem; margin-bottom: .75rem; }
  input, select, button { font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--line);
    border-radius: .375rem; padding: .3125rem .625rem; }
  button { cursor: pointer; }
  button:hover { border-color: var(--quiet); }
  [hidden] { display: none !important; }
  @media (max-width: 60rem) { .number { grid-column: span 4; } .curve { grid-column: span 12; } }
  @media (max-width: 30rem) { .number { grid-column: span 6; } main, header { padding-left: .75rem; padding-right: .75rem; } }
`;
