/** The style of the gateway's own pages. The Comet page has its own style, because it stands alone. */
export const pageStyle = `
  :root { color-scheme: light dark; --line: #d1d5db; --quiet: #6b7280; }
  @media (prefers-color-scheme: dark) { :root { --line: #3f3f46; --quiet: #9ca3af; } }
  body { font: 16px/1.6 system-ui, sans-serif; max-width: 42rem; margin: 2.5rem auto; padding: 0 1rem; }
  [hidden] { display: none; }
  h1 { margin: 0; font-size: 1.75rem; }
  h2 { font-size: 1.125rem; margin: 2rem 0 .5rem; }
  p { margin: .25rem 0 .75rem; overflow-wrap: anywhere; }
  form { display: flex; flex-wrap: wrap; gap: .5rem; align-items: end; }
  label { display: flex; flex-direction: column; font-size: .875rem; color: var(--quiet); }
  input, select, button { font: inherit; padding: .375rem .625rem; border: 1px solid var(--line); border-radius: .375rem; }
  input, select { font-size: 1rem; box-sizing: border-box; height: 2.5rem; }
  input { min-width: 6rem; width: 9rem; }
  button { cursor: pointer; }
  dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .75rem; margin: .5rem 0; }
  dl div { border: 1px solid var(--line); border-radius: .5rem; padding: .625rem .875rem; }
  dt { font-size: .875rem; color: var(--quiet); }
  dd { margin: 0; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
  pre { border: 1px solid var(--line); border-radius: .5rem; padding: .75rem; overflow-x: auto; font-size: .875rem; }
  output { display: block; min-height: 1.6em; margin-top: .5rem; overflow-wrap: anywhere; }
`;
