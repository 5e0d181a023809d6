import { pagePolicy } from '../../net/page-policy.js'
import { SCRIPT } from './script.js'
import { STYLE } from './style.js'

/** The table of a page, whose head names its cells. A name behind a star is aligned left. */
function table(id: string, heads: readonly string[], isWide = false): string {
  const cells = heads.map(head =>
    head.startsWith('*')
      ? `<th scope="col" class="left${isWide ? ' full' : ''}">${head.slice(1)}</th>`
      : `<th scope="col">${head}</th>`,
  )
  return `<table id="${id}"${isWide ? ' class="wide"' : ''}><thead><tr>${cells.join('')}</tr></thead><tbody></tbody></table>`
}

function curve(id: string, title: string): string {
  return `<section><h2>${title}</h2><div class="plot" id="plot-${id}"></div></section>`
}

/** The page at `/`: one file, with uPlot beside it, and without anything from elsewhere. */
export const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>bywash status</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="uplot.css">
<style>${STYLE}</style>
</head>
<body>
<header><h1>bywash status</h1><span id="live" class="state warn" role="status">connecting</span><span class="space"></span><button id="pause" aria-pressed="false" aria-keyshortcuts="p">Pause</button></header>
<main>
<form id="token" hidden><input hidden autocomplete="username" value="bywash"><label for="token-input">This server asks for its token.</label><input id="token-input" type="password" autocomplete="current-password"><button>Show the status</button></form>
<section id="empty"><span class="muted">No listener yet.</span></section>
<div id="body" hidden>
<nav id="listeners" aria-label="Listeners"></nav>
<section id="verdict" aria-label="Verdict"><span></span><strong></strong><ul></ul></section>
<section aria-label="Numbers"><dl id="numbers"></dl></section>
<section aria-labelledby="stages-title"><h2 id="stages-title">Pipeline: where the time goes</h2><ol id="stages"></ol>
<p class="legend"><span><i class="busy"></i>busy: works</span><span><i class="blocked"></i>blocked: waits for what is behind it</span><span><i class="starved"></i>starved: waits for input</span></p></section>
<div id="curves">${curve('bytes', 'Bytes in a second')}${curve('open', 'Open connections')}${curve('late', 'Time of an item, and of the event loop')}</div>
<section aria-labelledby="connections-title"><div class="bar-title"><h2 id="connections-title">Connections that hurt</h2><button id="slowest">wait longest</button><button id="largest">hold most</button></div>
${table('connections', ['*number', '*address', '*waits for', 'for', 'unread', 'held', 'in', 'out', 'age'], true)}<span id="no-connections" class="muted">None waits for anything but its client.</span></section>
<div class="pair">
<section><h2>How connections ended</h2>${table('ends', ['*reason', 'in all', 'last minute'])}<span id="no-ends" class="muted">None has ended yet.</span></section>
<div class="stack"><section id="workers-box"><h2>Workers</h2>${table('workers', ['*number', '*state', 'open', 'memory', '*slowest'], true)}</section>
<section id="hubs-box"><h2>Hubs</h2>${table('hubs', ['*name', 'subscribers', 'behind', 'held', 'published', 'lost'], true)}</section>
<section id="upstreams-box"><h2>Upstreams</h2>${table('upstreams', ['*address', 'open', 'connects', 'failures', 'broken off'], true)}</section></div>
</div>
</div>
</main>
<script src="uplot.js"></script>
<script>${SCRIPT}</script>
</body>
</html>
`

/** The policy of the page, beside which uPlot is served. */
export const PAGE_POLICY = pagePolicy(SCRIPT, STYLE, ["'self'"])
