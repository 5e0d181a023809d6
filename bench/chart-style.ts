/** Colours and fonts of the charts, on light and on dark paper. */
export const SVG_STYLE = `
    text { font: 12px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328 }
    .title { font-size: 16px; font-weight: 600 }
    .group { font-weight: 600 }
    .faint { fill: #59636e }
    .paper { fill: #ffffff; stroke: #d1d9e0 }
    .value { paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
    .ours { fill: #0969da }
    .others { fill: #8c959f }
    .raw { stroke: #59636e; stroke-dasharray: 3 3 }
    .grid { stroke: #d1d9e0 }
    .line { fill: none; stroke-width: 2 }
    .line-0 { stroke: #8c959f; fill: #8c959f }
    .line-1 { stroke: #0969da; fill: #0969da }
    .line-2 { stroke: #bf3989; fill: #bf3989 }
    .dashed { stroke-dasharray: 5 3 }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc }
      .faint { fill: #9198a1 }
      .paper { fill: #0d1117; stroke: #3d444d }
      .value { stroke: #0d1117 }
      .ours { fill: #4493f8 }
      .others { fill: #656c76 }
      .raw { stroke: #9198a1 }
      .grid { stroke: #3d444d }
      .line-1 { stroke: #4493f8; fill: #4493f8 }
      .line-2 { stroke: #db61a2; fill: #db61a2 }
    }`

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
