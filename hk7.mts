import { checkStage } from './lib/testing/index.js'
import * as stages from './lib/stages/index.js'
import { pipeline } from './lib/index.js'
const cases: [string, any, any][] = [
 ['uppercase', stages.uppercase(), [{ input: ['abc', 'né', '', 'ß'], output: ['ABC', 'Né', '', 'ß'] }]],
 ['lines', stages.lines(), [{ input: 'héllo\r\n€\r\r\n\n\nbye', output: ['héllo', '€\r', '', '', 'bye'] }]],
 ['netstring', stages.netstring({maxLength:5}), [{ input: '5:hello,0:,', output: [Buffer.from('hello'), Buffer.from('')] }]],
 ['gz', pipeline().through(stages.gzip()).through(stages.gunzip()), [{ input: 'hello', output: 'hello' }]],
 ['throttle', stages.throttle({ bytesPerSecond: 100, burst: 2 }), [{ input: 'hello', output: 'hello' }]],
]
for (const [n, s, e] of cases) { 
  for (let i=0;i<3;i++) { const c = process.cpuUsage(); const t = performance.now(); await checkStage(s, e, { random: 3, timeout: 120000 }); const u = process.cpuUsage(c); console.log(n, 'cpu', Math.round((u.user+u.system)/1000), 'wall', Math.round(performance.now()-t)) }
}
