import { type MemoryBound, memoryBound } from '../config/memory-bound.js'
import { formatStage } from '../config/text/format-text.js'
import type { ExplainedStage, Explanation } from '../engine/explain.js'
import { KIND_NAMES, type PlanMode } from '../engine/planned-stage.js'
import type { Pipeline } from '../pipeline.js'

/** How a pipeline will run: `pipeline.explain()`, with each stage as the text of it, and the memory bound. */
export interface PlanReport extends Omit<Explanation, 'segments' | 'toString'> {
  readonly segments: readonly ReportedSegment[]
  readonly memory: MemoryBound
}

interface ReportedSegment extends Omit<Explanation['segments'][number], 'stages'> {
  readonly stages: readonly (ExplainedStage & { readonly text: string })[]
}

/** Makes the report that `bywash explain` prints. */
export function planReport(pipeline: Pipeline<Buffer, Buffer>, plan: PlanMode): PlanReport {
  const { segments, toString: _, ...explanation } = pipeline.explain({ plan })
  const texts = pipeline.stages.map(formatStage)
  const written = segments.map(segment => ({
    ...segment,
    stages: segment.stages.map(stage => ({ ...stage, text: texts.shift() as string })),
  }))
  return { ...explanation, segments: written, memory: memoryBound(pipeline, plan) }
}

/** Formats a report as a tree, for a terminal. */
export function planTree({ plan, direct, segments, memory }: PlanReport): string {
  const head = `plan ${plan}${direct ? ', no stream between source and sink' : ''}`
  const empty = segments.length === 0 ? ['└─ no stage: what comes goes on as it is'] : []
  const lines = segments.flatMap((segment, index) => {
    const isLast = index === segments.length - 1
    const stages = segment.stages.map(
      (stage, index) =>
        `${isLast ? '   ' : '│  '}${index === segment.stages.length - 1 ? '└─' : '├─'} ${stageLine(stage)}`,
    )
    return [
      `${isLast ? '└─' : '├─'} ${segment.type}${segment.reason === undefined ? '' : `: ${segment.reason}`}`,
      ...stages,
    ]
  })
  return [head, ...empty, ...lines, ...memoryLines(memory)].join('\n')
}

function stageLine({
  text,
  accepts,
  emits,
  runs,
  waits,
}: PlanReport['segments'][number]['stages'][number]): string {
  const kinds = `${KIND_NAMES[accepts]} to ${KIND_NAMES[emits]}`
  return `${text}: ${kinds}${runs === undefined ? '' : `, ${runs}`}${waits === undefined ? '' : `, waits ${waits}`}`
}

function memoryLines({ bytes, socket, output, holders, streams, unknown }: MemoryBound): readonly string[] {
  const shares = [
    `${size(socket)} in the socket`,
    `${size(output)} of output`,
    ...holders.map(({ stage, bytes }) => `${size(bytes)} in ${stage}`),
    ...streams.map(({ stage, bytes }) => `${size(bytes)} around ${stage}`),
  ]
  return [
    `memory: at most ${size(bytes, Math.ceil)} for each connection (${shares.join(', ')})`,
    ...unknown.map(name => `        and what ${name} keeps and adds, which it does not say`),
  ]
}

/** Says in a line what each connection of a listener can hold, and so many connections together. */
export function memorySummary({ bytes, unknown }: MemoryBound, connections: number): string {
  const together = `${size(bytes * connections, Math.ceil)} for ${connections} of them`
  const others = unknown.map(name => `, and what ${name} keeps and adds, which it does not say`)
  return `memory: at most ${size(bytes, Math.ceil)} for each connection, ${together}${others.join('')}`
}

/** A size to read: in KiB, and from a MiB or GiB on in tenths of one. */
function size(bytes: number, round = Math.round): string {
  if (bytes < 1024) return `${bytes}B`
  const kib = round(bytes / 1024)
  if (kib < 1024) return `${kib}KiB`
  const mib = round(bytes / 104_857.6) / 10
  return mib < 1024 ? `${mib}MiB` : `${round(bytes / 107_374_182.4) / 10}GiB`
}

/** Formats a report as a diagram for https://mermaid.js.org. Each segment is a box around its stages. */
export function planMermaid({ segments, accepts, emits, memory }: PlanReport): string {
  const lines = [
    'flowchart LR',
    ...memoryLines(memory).map(line => `  %% ${line.trim()}`),
    `  source([${KIND_NAMES[accepts]}])`,
  ]
  const edges: string[] = []
  let before = 'source'
  let id = 0
  for (const [index, { type, stages }] of segments.entries()) {
    lines.push(`  subgraph segment${index + 1} ["${type}"]`)
    for (const { text, accepts } of stages) {
      const node = `stage${++id}`
      lines.push(`    ${node}["${mermaidText(text)}"]`)
      edges.push(`  ${before} -->|${KIND_NAMES[accepts]}| ${node}`)
      before = node
    }
    lines.push('  end')
  }
  return [
    ...lines,
    `  sink([${KIND_NAMES[emits]}])`,
    ...edges,
    `  ${before} -->|${KIND_NAMES[emits]}| sink`,
  ].join('\n')
}

/** Escapes everything but letters, digits, spaces and hyphens: any other character may be Mermaid syntax. */
function mermaidText(text: string): string {
  return text.replace(/[^\p{L}\p{N} -]/gu, sign => `#${sign.codePointAt(0)};`)
}
