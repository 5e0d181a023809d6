import { BROWSER_HEADERS, pagePolicy } from '../../net/page-policy.js'

const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f6f7f9; --panel: #fff; --ink: #1d232b; --muted: #5d6875; --line: #d5dae1;
  --accent: #0b62c4; --on-accent: #fff; --sent: #0b62c4; --good: #1a7f37; --bad: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12161b; --panel: #1a2027; --ink: #e4e9ef; --muted: #98a3b0; --line: #333d48;
    --accent: #6cb0ff; --on-accent: #0c1a2b; --sent: #6cb0ff; --good: #5fd07f; --bad: #ff8a80;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; height: 100vh; height: 100dvh; display: flex; flex-direction: column; gap: .75rem;
  padding: 1rem; max-width: 60rem; margin-inline: auto;
  font: 1rem/1.5 system-ui, sans-serif; color: var(--ink); background: var(--ground);
}
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem .75rem; }
h1 { font-size: 1.1rem; margin: 0; overflow-wrap: anywhere; }
#state { color: var(--muted); }
#state::before { content: ''; display: inline-block; width: .6em; height: .6em; border-radius: 50%; margin-right: .4em; background: currentColor; }
#state.open { color: var(--good); }
#state.closed { color: var(--bad); }
#output {
  flex: 1; overflow-y: auto; margin: 0; padding: .5rem .75rem; list-style: none;
  border: 1px solid var(--line); border-radius: .5rem; background: var(--panel);
  font: .9rem/1.5 ui-monospace, monospace;
}
#output li { position: relative; padding-left: 1.5em; min-height: 1.5em; white-space: pre-wrap; overflow-wrap: anywhere; }
#output li::before { content: '\\2190'; position: absolute; left: 0; color: var(--muted); }
#output li.sent { color: var(--sent); }
#output li.sent::before { content: '\\2192'; color: inherit; }
#output li.note { color: var(--muted); font-style: italic; }
#output li.note::before { content: '\\00b7'; }
form { display: flex; gap: .5rem; }
input { flex: 1; min-width: 0; }
input, button { font: inherit; padding: .5rem .75rem; border-radius: .5rem; border: 1px solid var(--line); color: inherit; background: var(--panel); }
button { cursor: pointer; border-color: transparent; background: var(--accent); color: var(--on-accent); font-weight: 600; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
:disabled { opacity: .55; cursor: default; }
`

const SCRIPT = `
const MAX_ENTRIES = 1000
const [state, output, form, input, button] = ['state', 'output', 'form', 'input', 'button'].map(id => document.getElementById(id))
document.getElementById('host').textContent = location.host
let webSocket

function show(text, name) {
  const isAtEnd = output.scrollTop + output.clientHeight >= output.scrollHeight - 8
  const entry = document.createElement('li')
  entry.className = name
  entry.textContent = text
  output.append(entry)
  while (output.children.length > MAX_ENTRIES) output.firstChild.remove()
  if (isAtEnd || name === 'sent') output.scrollTop = output.scrollHeight
}

function say(text, name) {
  state.textContent = text
  state.className = name
  input.disabled = name !== 'open'
  button.textContent = name === 'closed' ? 'Connect' : 'Send'
  button.disabled = name === ''
  if (name === 'open') input.focus()
}

function textOf(data) {
  if (typeof data === 'string') return data
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(data)
  } catch {
    return Array.from(new Uint8Array(data), byte => byte.toString(16).padStart(2, '0')).join(' ')
  }
}

function connect() {
  say('connecting', '')
  webSocket = new WebSocket((location.protocol === 'https:' ? 'wss://' : 'ws://') + location.host + '/')
  webSocket.binaryType = 'arraybuffer'
  webSocket.onopen = () => say('connected', 'open')
  webSocket.onmessage = ({ data }) => show(textOf(data), 'received')
  webSocket.onclose = ({ code, reason }) => {
    say('closed', 'closed')
    show('closed with code ' + code + (reason ? ': ' + reason : ''), 'note')
  }
}

form.onsubmit = event => {
  event.preventDefault()
  if (webSocket.readyState !== WebSocket.OPEN) return connect()
  webSocket.send(input.value)
  show(input.value, 'sent')
  input.value = ''
}
connect()
`

/** The page that `page` serves: one file, without anything from elsewhere. */
export const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>bywash</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<header><h1 id="host">bywash</h1><span id="state" role="status">connecting</span></header>
<ol id="output" role="log" aria-label="Messages" tabindex="0"></ol>
<form id="form"><input id="input" aria-label="Message" placeholder="Message" autocomplete="off" disabled><button id="button">Send</button></form>
<script>${SCRIPT}</script>
</body>
</html>
`

export const PAGE_HEADERS = {
  ...BROWSER_HEADERS,
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Length': Buffer.byteLength(PAGE),
  'Content-Security-Policy': pagePolicy(SCRIPT, STYLE),
  Connection: 'close',
}
