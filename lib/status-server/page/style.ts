/** The style of the page. Colours are for light and dark; what they say is written beside them too. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f4f6f8; --panel: #fff; --ink: #1b222b; --muted: #5a6673; --line: #d6dce3; --soft: #eaeef2;
  --accent: #0b62c4; --second: #0d8a72; --good: #17753a; --warn: #8f5a00; --bad: #b3261e;
  --busy: #e07b1a; --blocked: #7b55d3; --starved: #cfd6de;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #0f1419; --panel: #181e25; --ink: #e6ebf0; --muted: #98a4b1; --line: #303a45; --soft: #232b34;
    --accent: #6cb0ff; --second: #4fd1b5; --good: #62d284; --warn: #f0b429; --bad: #ff8a80;
    --busy: #f0933a; --blocked: #a88bf0; --starved: #3c4752;
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0; font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--ground); font-variant-numeric: tabular-nums; }
header, main { max-width: 84rem; margin-inline: auto; padding-inline: clamp(.75rem, 2vw, 1.5rem); }
header { display: flex; flex-wrap: wrap; align-items: center; gap: .25rem 1rem; padding-block: .9rem .5rem; }
h1 { font-size: 1rem; margin: 0; letter-spacing: .02em; }
h2 { font-size: .8rem; margin: 0 0 .6rem; color: var(--muted); text-transform: uppercase; letter-spacing: .06em; font-weight: 600; }
header .space { flex: 1; }
main { padding-bottom: 2.5rem; }
main, #body { display: grid; gap: .85rem; grid-template-columns: minmax(0, 1fr); }
section { background: var(--panel); border: 1px solid var(--line); border-radius: .6rem; padding: .85rem 1rem; min-width: 0; }
button, input { font: inherit; color: inherit; background: var(--panel); border: 1px solid var(--line); border-radius: .45rem; padding: .3rem .7rem; }
button { cursor: pointer; }
button[aria-pressed=true] { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.muted, dt, th { color: var(--muted); }
.state::before { content: ''; display: inline-block; width: .6em; height: .6em; border-radius: 50%; margin-right: .4em; background: currentColor; }
.good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); }

#listeners { display: grid; gap: .6rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); }
#listeners button { text-align: left; padding: .6rem .8rem; min-width: 0; }
#listeners b, #listeners span { display: block; overflow-wrap: anywhere; }
#listeners .muted { font-size: .87rem; }

#verdict { display: grid; gap: .2rem; border-left: 5px solid currentColor; }
#verdict strong { font-size: 1.35rem; line-height: 1.25; overflow-wrap: anywhere; }
#verdict ul { margin: 0; padding: 0; list-style: none; color: var(--ink); overflow-wrap: anywhere; }

#numbers { display: grid; gap: .75rem 1rem; margin: 0; grid-template-columns: repeat(auto-fit, minmax(7.2rem, 1fr)); }
#numbers dt { font-size: .82rem; } #numbers dd { margin: 0; font-size: 1.2rem; font-weight: 600; line-height: 1.2; overflow-wrap: anywhere; }
#numbers small { display: block; font-size: .78rem; font-weight: 400; color: var(--muted); }

#curves { display: grid; gap: .85rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); }
.plot { min-height: 170px; min-width: 0; overflow: hidden; }
.uplot { font-family: inherit !important; }
.u-legend { font-size: .8rem !important; text-align: left !important; margin: 0 !important; }
.u-legend th { font-weight: 400 !important; } .u-legend th, .u-legend td { border: 0 !important; }

#stages { display: flex; flex-wrap: wrap; gap: .7rem 1.5rem; margin: 0; padding: 0; list-style: none; }
#stages li { position: relative; flex: 1 1 10.4rem; min-width: 0; max-width: 22rem; border: 1px solid var(--line); border-radius: .5rem; padding: .55rem .7rem .5rem; background: var(--ground); }
#stages li:not(:last-child)::after { content: '\\2192'; position: absolute; right: -1.28rem; top: .5rem; color: var(--muted); }
#stages li.culprit { border-color: var(--busy); box-shadow: 0 0 0 1px var(--busy); }
#stages b { display: block; overflow-wrap: anywhere; }
#stages .tag { float: right; font-size: .75rem; font-weight: 600; color: var(--warn); margin-left: .5rem; }
#stages .runs { display: block; font-size: .78rem; color: var(--muted); }
.bar { display: flex; height: 1.05rem; margin: .4rem 0 .25rem; border-radius: .3rem; overflow: hidden; background: var(--soft); }
.bar i { flex: none; width: 0; }
.busy { background: var(--busy); } .blocked { background: var(--blocked); } .starved { background: var(--starved); }
.shares { font-size: .82rem; }
#stages dl { margin: .35rem 0 0; font-size: .82rem; }
#stages dl div { display: flex; justify-content: space-between; gap: .6rem; }
#stages dt { white-space: nowrap; } #stages dd { margin: 0; text-align: right; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: .7rem 0 0; font-size: .82rem; color: var(--muted); }
.legend i { display: inline-block; width: .8em; height: .8em; border-radius: .2em; margin-right: .4em; vertical-align: -.05em; }

.pair { display: grid; gap: .85rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); align-items: start; }
.stack { display: grid; gap: .85rem; grid-template-columns: minmax(0, 1fr); }
.bar-title { display: flex; flex-wrap: wrap; gap: .4rem; align-items: center; margin-bottom: .5rem; }
.bar-title h2 { margin: 0; flex: 1 1 auto; }
.bar-title button { font-size: .85rem; padding: .15rem .6rem; }
table { width: 100%; border-collapse: collapse; font-size: .87rem; }
th { text-align: right; font-weight: 500; font-size: .8rem; }
th, td { padding: .28rem .5rem; border-bottom: 1px solid var(--soft); vertical-align: top; }
td { text-align: right; white-space: nowrap; }
td.left { white-space: normal; overflow-wrap: anywhere; min-width: 4.5rem; }
th:first-child, td:first-child { padding-left: 0; } th:last-child, td:last-child { padding-right: 0; }
tr:last-child td { border-bottom: 0; }
.left { text-align: left; }
.meter { display: block; height: .3rem; border-radius: .15rem; background: var(--soft); margin-top: .15rem; }
.meter i { display: block; height: 100%; border-radius: inherit; background: var(--accent); min-width: 2px; width: 0; }
.meter.fail i { background: var(--bad); }
#token { display: grid; gap: .6rem; justify-items: start; }
#token input { width: min(100%, 28rem); }

@media (max-width: 46rem) {
  #stages { flex-direction: column; gap: 1.3rem; }
  #stages li { max-width: none; flex: none; }
  #stages li:not(:last-child)::after { content: '\\2193'; right: auto; left: 1rem; top: auto; bottom: -1.35rem; }
  table.wide thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  table.wide, table.wide tbody { display: block; }
  table.wide tr { display: grid; grid-template-columns: 1fr 1fr; padding: .45rem 0; border-bottom: 1px solid var(--soft); }
  table.wide td { border: 0; padding: .08rem .5rem .08rem 0; text-align: left; white-space: normal; overflow-wrap: anywhere; }
  table.wide td.full { grid-column: 1 / -1; }
  table.wide td::before { content: attr(data-name) ' '; color: var(--muted); font-size: .8rem; }
  #numbers { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
@media (prefers-reduced-motion: no-preference) { .bar i, .meter i { transition: width .5s; } }
`
