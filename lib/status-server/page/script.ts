/**
 * The script of the page. It writes texts with `textContent` alone, since names and addresses come from elsewhere, and
 * keeps its elements from event to event, so that focus and selection stay.
 */
export const SCRIPT = String.raw`'use strict'
const HISTORY = 300
const RETRY_MS = 1000
const SILENCE_MS = 8000
const byId = id => document.getElementById(id)
const [live, paused, verdict] = ['live', 'pause', 'verdict'].map(byId)
let selected, statuses = [], isPaused = false, order = 'slowest', token = sessionStorage.getItem('token') || ''
const history = new Map()

// Elements

function make(tag, name, text) {
  const element = document.createElement(tag)
  if (name) element.className = name
  if (text !== undefined) element.textContent = text
  return element
}
function write(element, text) {
  if (element.textContent !== text) element.textContent = text
}
/** Makes the children of an element as many as the items, and shows each item in its own. */
function each(parent, items, create, show) {
  while (parent.children.length > items.length) parent.lastElementChild.remove()
  items.forEach((item, index) => {
    const child = parent.children[index] || parent.appendChild(create())
    show(child, item, index)
  })
}

// Words

const NUMBER = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const SHORT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })
const number = value => (value < 100000 ? NUMBER : SHORT).format(value)
function bytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit++ }
  return (value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)) + ' ' + units[unit]
}
function time(ms) {
  if (ms < 1) return Math.round(ms * 1000) + ' µs'
  if (ms < 10) return ms.toFixed(1) + ' ms'
  if (ms < 1000) return Math.round(ms) + ' ms'
  const seconds = ms / 1000
  if (seconds < 60) return (seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)) + ' s'
  if (seconds < 3600) return Math.floor(seconds / 60) + ' min ' + Math.floor(seconds % 60) + ' s'
  if (seconds < 86400) return Math.floor(seconds / 3600) + ' h ' + Math.floor(seconds % 3600 / 60) + ' min'
  return Math.floor(seconds / 86400) + ' d ' + Math.floor(seconds % 86400 / 3600) + ' h'
}
const percent = share => Math.round(share * 100) + '\u00a0%'
const sum = counts => Object.values(counts).reduce((all, count) => all + count, 0)
/** Counts for one second: over the last ten of them, or over the last. */
function perSecond(windows, pick, observedFor) {
  const seconds = Math.min(10, Math.max(1, observedFor / 1000))
  if (windows.last10s) return pick(windows.last10s) / seconds
  return windows.last1s ? pick(windows.last1s) : undefined
}
const rate = (value, word) => value === undefined ? '–' : word(value >= 10 ? Math.round(value) : Math.round(value * 10) / 10) + '/s'
const small = value => value < 10 && value % 1 ? value.toFixed(1) : number(value)

// The verdict: whether the server is well

const OWN_FAULTS = ['stage-error', 'worker-died']
const FAILURES = [...OWN_FAULTS, 'upstream-error', 'exec-error', 'slow-consumer', 'drain-timeout', 'frame-timeout', 'frame-too-long', 'invalid-frame', 'invalid-utf8', 'half-close-timeout', 'refused']

function judge(status) {
  const { state, culprit, traffic, connections, process, workers } = status
  const recent = traffic.last60s || { ended: {}, refused: {} }
  const bad = [], warn = [], notes = []
  if (state !== 'open') warn.push('It is ' + state + ': ' + number(connections.open) + ' connections are open, and none are accepted.')
  for (const reason of OWN_FAULTS) if (recent.ended[reason]) bad.push(number(recent.ended[reason]) + ' connections ended with ' + reason + ' in the last minute.')
  const lost = workers.filter(worker => worker.state === 'dead' || worker.state === 'silent')
  for (const worker of lost) bad.push('Worker ' + worker.number + ' is ' + worker.state + '.')
  if (recent.ended['upstream-error']) warn.push(number(recent.ended['upstream-error']) + ' connections ended with upstream-error in the last minute.')
  const refused = sum(recent.refused)
  if (refused) warn.push(number(refused) + ' connections were refused in the last minute: ' + Object.keys(recent.refused).join(', ') + '.')
  if (connections.limit && connections.open >= 0.9 * connections.limit) warn.push('Nearly all of ' + number(connections.limit) + ' connections are taken.')
  if (process.eventLoopDelay && process.eventLoopDelay.p99 > 100) warn.push('The event loop is late by ' + time(process.eventLoopDelay.p99) + '.')
  const stage = culprit.stage === null ? undefined : status.stages.find(one => one.index === culprit.stage)
  const isFull = stage && stage.activeShares && stage.activeShares.busy >= 0.8
  if (isFull) warn.push('One stage takes nearly all of the time.')
  if (culprit.kind === 'client') notes.push('Clients decide the pace.')
  const level = bad.length ? 'bad' : warn.length ? 'warn' : 'good'
  return { level, word: bad.length ? 'Failures' : state !== 'open' ? 'Closing' : warn.length ? 'Look here' : 'All is well', reasons: [...bad, ...warn, ...notes] }
}

// Parts of the page

function showListeners() {
  byId('listeners').hidden = statuses.length < 2
  each(byId('listeners'), statuses, () => {
    const button = make('button')
    button.append(make('b'), make('span', 'muted'), make('span', 'muted'))
    button.onclick = () => { selected = button.dataset.name; show() }
    return button
  }, (button, status) => {
    const [name, numbers, words] = button.children
    button.dataset.name = status.name
    button.setAttribute('aria-pressed', String(status.name === selected))
    name.className = 'state ' + judge(status).level
    write(name, status.name)
    const pick = way => rate(perSecond(status.traffic, one => one[way], status.observedFor), bytes)
    write(numbers, number(status.connections.open) + ' open · in ' + pick('bytesIn') + ' · out ' + pick('bytesOut'))
    write(words, status.culprit.text)
  })
}

function showVerdict(status) {
  const { level, word, reasons } = judge(status)
  verdict.className = level
  const [state, culprit, list] = verdict.children
  write(state, word + ' · ' + status.name)
  state.className = 'state ' + level
  write(culprit, status.culprit.text.replace(/^./, letter => letter.toUpperCase()))
  each(list, reasons, () => make('li'), write)
  document.title = (level === 'good' ? '● ' : '▲ ') + word + ' · ' + status.name
}

function showNumbers(status) {
  const { connections, traffic, process, observedFor } = status
  const pick = (name, word) => rate(perSecond(traffic, one => one[name], observedFor), word)
  const delay = process.eventLoopDelay
  const rows = [
    ['open connections', number(connections.open), (connections.limit === null ? '' : 'of ' + number(connections.limit)) + (connections.handshaking ? ' · ' + connections.handshaking + ' in handshake' : '')],
    ['new', pick('opened', small), number(traffic.total.opened) + ' in all'],
    ['refused', rate(perSecond(traffic, one => sum(one.refused), observedFor), small), number(sum(traffic.total.refused)) + ' in all'],
    ['in', pick('bytesIn', bytes), bytes(traffic.total.bytesIn) + ' in all'],
    ['out', pick('bytesOut', bytes), bytes(traffic.total.bytesOut) + ' in all'],
    ['event loop late', delay ? time(delay.p99) : '–', delay ? 'p99; at most ' + time(delay.max) : 'not measured yet'],
    ['memory', bytes(process.memory.rss), 'heap ' + bytes(process.memory.heapUsed)],
    ['descriptors', number(process.descriptors.held), process.descriptors.limit === null ? '' : 'of ' + number(process.descriptors.limit)],
    ['up for', time(status.at - status.startedAt), 'process ' + process.pid],
  ]
  each(byId('numbers'), rows, () => {
    const box = make('div')
    const value = make('dd')
    value.append(make('span'), make('small'))
    box.append(make('dt'), value)
    return box
  }, (box, [name, value, more]) => {
    write(box.children[0], name)
    write(box.children[1].children[0], value)
    write(box.children[1].children[1], more)
  })
}

function showStages({ stages, culprit, observedFor }) {
  each(byId('stages'), stages, () => {
    const item = make('li')
    const bar = make('div', 'bar')
    bar.append(make('i', 'busy'), make('i', 'blocked'), make('i', 'starved'))
    bar.setAttribute('role', 'img')
    item.append(make('span', 'tag'), make('b'), make('span', 'runs'), bar, make('span', 'shares'), make('dl'))
    return item
  }, (item, stage) => {
    const [tag, name, runs, bar, words, facts] = item.children
    const isCulprit = culprit.stage === stage.index
    item.className = isCulprit ? 'culprit' : ''
    write(tag, isCulprit ? 'slowest' : '')
    write(name, stage.name)
    write(runs, stage.runs || '')
    // Without anything to do, the shares of all the time: it is starved.
    const shares = stage.activeShares || stage.shares.last10s || stage.shares.last1s
    const text = shares ? ['busy', 'blocked', 'starved'].filter(key => shares[key] >= 0.005).map(key => percent(shares[key]) + '\u00a0' + key).join(', ') : 'not observed yet'
    ;['busy', 'blocked', 'starved'].forEach((key, index) => {
      bar.children[index].style.width = shares ? 100 * shares[key] + '%' : '0'
    })
    bar.setAttribute('aria-label', text)
    write(words, text)
    const rows = [['items', rate(perSecond(stage.in, one => one.items, observedFor), small)]]
    if (stage.itemTime) rows.push(['an item', time(stage.itemTime.median)], ['p99', time(stage.itemTime.p99)])
    if (stage.held.items || stage.held.bytes) rows.push(['waiting', number(stage.held.items) + ', ' + bytes(stage.held.bytes)])
    if (stage.errors) rows.push(['errors', number(stage.errors)])
    if (stage.dropped) rows.push(['dropped', number(stage.dropped)])
    each(facts, rows, () => {
      const row = make('div')
      row.append(make('dt'), make('dd'))
      return row
    }, (row, texts) => texts.forEach((text, index) => write(row.children[index], text)))
  })
}

/** Shows rows in a table whose head names their cells; a cell is a text, or a function that shows itself. */
function showTable(id, rows) {
  const table = byId(id)
  const heads = [...table.tHead.rows[0].cells]
  each(table.tBodies[0], rows, () => {
    const row = make('tr')
    heads.forEach(head => {
      const cell = row.appendChild(make('td', head.className))
      cell.dataset.name = head.textContent
    })
    return row
  }, (row, cells) => {
    cells.forEach((cell, index) => {
      if (typeof cell === 'function') cell(row.cells[index])
      else write(row.cells[index], cell)
    })
  })
}

function showConnections(status) {
  for (const name of ['slowest', 'largest']) byId(name).setAttribute('aria-pressed', String(name === order))
  const list = status[order]
  byId('no-connections').hidden = list.length > 0
  byId('connections').hidden = list.length === 0
  showTable('connections', list.map(one => [
    String(one.id) + (one.worker === null ? '' : ' (worker ' + one.worker + ')'),
    one.address === null ? 'unknown' : one.port === null ? one.address : (one.address.includes(':') ? '[' + one.address + ']' : one.address) + ':' + one.port,
    one.waitsFor.text, time(one.waitedFor), bytes(one.pendingBytes), bytes(one.heldBytes), bytes(one.bytesIn), bytes(one.bytesOut), time(one.duration),
  ]))
}

function showEnds({ traffic }) {
  const rows = [
    ...Object.entries(traffic.total.ended).map(([reason, count]) => [reason, count, traffic.last60s && (traffic.last60s.ended[reason] || 0), FAILURES.includes(reason)]),
    ...Object.entries(traffic.total.refused).map(([reason, count]) => ['refused: ' + reason, count, traffic.last60s && (traffic.last60s.refused[reason] || 0), true]),
  ].sort((one, other) => other[1] - one[1])
  const all = rows.reduce((total, row) => total + row[1], 0)
  byId('no-ends').hidden = rows.length > 0
  byId('ends').hidden = rows.length === 0
  showTable('ends', rows.map(([reason, count, recent, isFailure]) => [
    cell => {
      if (cell.children.length === 0) {
        const meter = make('span', 'meter')
        meter.append(make('i'))
        cell.append(make('span'), meter)
      }
      write(cell.children[0], reason)
      cell.children[1].className = isFailure ? 'meter fail' : 'meter'
      cell.children[1].firstChild.style.width = 100 * count / all + '%'
    },
    number(count), recent === null ? '–' : number(recent),
  ]))
}

function showMore({ hubs, upstreams, workers }) {
  byId('hubs-box').hidden = hubs.length === 0
  showTable('hubs', hubs.map(hub => [hub.name, number(hub.subscribers), number(hub.lagging), bytes(hub.heldBytes), number(hub.published), number(hub.losses)]))
  byId('upstreams-box').hidden = upstreams.length === 0
  showTable('upstreams', upstreams.map(one => [one.address + (one.lastFailure === null ? '' : ' (last failure: ' + one.lastFailure + ')'), number(one.open), number(one.connects), number(one.failures), number(one.losses)]))
  byId('workers-box').hidden = workers.length === 0
  showTable('workers', workers.map(worker => [String(worker.number), worker.state, number(worker.connections), worker.process ? bytes(worker.process.memory.rss) : '–', worker.culprit.text]))
}

// Curves

const CURVES = [
  ['bytes', [['in', '--accent'], ['out', '--second']], bytes, Array.from({ length: 50 }, (_, power) => 2 ** power)],
  ['open', [['open', '--accent']], number],
  ['late', [['slowest stage, p99', '--busy'], ['event loop, p99', '--blocked']], value => value === 0 ? '0' : time(value)],
]
let plots = []

function remember(status) {
  const points = history.get(status.name) || { startedAt: status.startedAt, rows: [] }
  if (points.startedAt !== status.startedAt) points.rows.push(Array(6).fill(null).with(0, status.at / 1000 - 0.5))
  points.startedAt = status.startedAt
  history.set(status.name, points)
  const { last1s } = status.traffic
  const delay = status.process.eventLoopDelay
  const times = status.stages.flatMap(stage => stage.itemTime ? [stage.itemTime.p99] : [])
  points.rows.push([status.at / 1000, last1s && last1s.bytesIn, last1s && last1s.bytesOut, status.connections.open, times.length ? Math.max(...times) : null, delay && delay.p99])
  if (points.rows.length > HISTORY) points.rows.shift()
}

function drawCurves() {
  for (const { plot } of plots) plot.destroy()
  plots = []
  if (typeof uPlot === 'undefined') return
  const style = getComputedStyle(document.documentElement)
  const color = name => style.getPropertyValue(name).trim()
  let column = 1
  for (const [id, lines, word, incrs] of CURVES) {
    const parent = byId('plot-' + id)
    const axis = { stroke: color('--muted'), grid: { stroke: color('--soft'), width: 1 }, ticks: { show: false }, font: '11px system-ui, sans-serif' }
    const plot = new uPlot({
      width: parent.clientWidth, height: 170, padding: [8, 26, 0, 0],
      cursor: { drag: { x: false, y: false }, points: { size: 6 } },
      scales: { y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
      series: [
        { value: (_, at) => at === null ? '' : new Date(at * 1000).toLocaleTimeString('en-GB'), label: 'at' },
        ...lines.map(([label, name]) => ({ label, stroke: color(name), width: 1.75, fill: lines.length === 1 ? color(name) + '22' : undefined, points: { show: false }, value: (_, value) => value === null ? '–' : word(value) })),
      ],
      axes: [{ ...axis, size: 24, space: 70, values: (_, ticks) => ticks.map(tick => new Date(tick * 1000).toLocaleTimeString('en-GB')) }, { ...axis, size: 64, space: 34, ...(incrs && { incrs }), values: (_, ticks) => ticks.map(word) }],
    }, [[], ...lines.map(() => [])], parent)
    plots.push({ plot, parent, columns: lines.map(() => column++) })
  }
}

function showCurves(status) {
  const rows = (history.get(status.name) || { rows: [] }).rows
  for (const { plot, columns } of plots) {
    plot.setData([0, ...columns].map(column => rows.map(row => row[column])))
    // Without a pointer on it, the legend says what is now.
    if (plot.cursor.idx === null || plot.cursor.idx === undefined) plot.setLegend({ idx: rows.length - 1 }, false)
  }
}

addEventListener('resize', () => {
  for (const { plot, parent } of plots) plot.setSize({ width: parent.clientWidth, height: 170 })
})
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { drawCurves(); show() })

// Events

function show() {
  byId('empty').hidden = statuses.length > 0
  byId('body').hidden = statuses.length === 0
  if (statuses.length === 0) return
  const status = statuses.find(one => one.name === selected) || statuses[0]
  selected = status.name
  showListeners()
  showVerdict(status)
  showNumbers(status)
  showStages(status)
  showConnections(status)
  showEnds(status)
  showMore(status)
  if (plots.length === 0) drawCurves()
  showCurves(status)
}

function say(text, level) {
  write(live, text)
  live.className = 'state ' + level
}

function take(name, data) {
  if (name !== 'status') return say(JSON.parse(data), 'bad')
  const next = JSON.parse(data)
  next.forEach(remember)
  say(isPaused ? 'paused' : 'live', isPaused ? 'warn' : 'good')
  if (isPaused) return
  statuses = next
  show()
}

/** Reads the events of one connection, until it ends. EventSource could not send a token. */
async function read() {
  const aborter = new AbortController()
  let timer
  const heard = () => { clearTimeout(timer); timer = setTimeout(() => aborter.abort(), SILENCE_MS) }
  heard()
  try {
    const response = await fetch('events', { headers: token ? { Authorization: 'Bearer ' + token } : {}, signal: aborter.signal })
    byId('token').hidden = response.status !== 401
    if (response.status === 401) { say('a token is asked for', 'warn'); return 'token' }
    if (!response.ok) throw new Error((await response.text()).trim())
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    for (;;) {
      const { value, done } = await reader.read()
      if (done) return
      heard()
      const parts = (text + value).split('\n\n')
      text = parts.pop()
      for (const part of parts) take(...part.split('\n').map(line => line.replace(/^\w+: /, '')))
    }
  } finally {
    clearTimeout(timer)
  }
}

async function watch() {
  for (;;) {
    const end = await read().catch(error => error.message)
    if (end === 'token') return
    say('not connected, trying again', 'bad')
    await new Promise(resolve => setTimeout(resolve, RETRY_MS))
  }
}

paused.onclick = () => {
  isPaused = !isPaused
  paused.setAttribute('aria-pressed', String(isPaused))
}
for (const name of ['slowest', 'largest']) byId(name).onclick = () => { order = name; show() }
byId('token').onsubmit = event => {
  event.preventDefault()
  token = byId('token-input').value.trim()
  sessionStorage.setItem('token', token)
  void watch()
}
addEventListener('keydown', event => {
  if (event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey || event.altKey) return
  if (event.key === 'p') paused.click()
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
  if (!step || statuses.length < 2) return
  const index = statuses.findIndex(one => one.name === selected)
  selected = statuses[(index + step + statuses.length) % statuses.length].name
  show()
})
void watch()
`
