import fc from 'fast-check'
import t from 'tap'
import { type BywashError, type Frame, pipeline, type SyslogMessage } from '../../../lib/index.js'
import { octetCounted, syslog, toJsonLines, toLines } from '../../../lib/stages/index.js'
import { chunkings, runStage } from '../../../lib/testing/index.js'
import { PLANS } from '../../plans.js'
import { runs } from '../../runs.js'

const BOM = '\ufeff'

const NOTHING = { structuredData: {} }

const EVENT = { iut: '3', eventSource: 'Application', eventID: '1011' }
const EVENT_TEXT = '[exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"]'

/** The examples of RFC 5424, section 6.5. */
const RFC_5424: readonly [string, object][] = [
  [
    `<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - ${BOM}'su root' failed for lonvick on /dev/pts/8`,
    {
      facility: 4,
      severity: 2,
      timestamp: '2003-10-11T22:14:15.003Z',
      hostname: 'mymachine.example.com',
      appName: 'su',
      msgId: 'ID47',
      message: "'su root' failed for lonvick on /dev/pts/8",
    },
  ],
  [
    "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.",
    {
      facility: 20,
      severity: 5,
      timestamp: '2003-08-24T05:14:15.000003-07:00',
      hostname: '192.0.2.1',
      appName: 'myproc',
      procId: '8710',
      message: "%% It's time to make the do-nuts.",
    },
  ],
  [
    `<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 ${EVENT_TEXT} ${BOM}An application event log entry...`,
    {
      facility: 20,
      severity: 5,
      timestamp: '2003-10-11T22:14:15.003Z',
      hostname: 'mymachine.example.com',
      appName: 'evntslog',
      msgId: 'ID47',
      structuredData: { 'exampleSDID@32473': EVENT },
      message: 'An application event log entry...',
    },
  ],
  [
    `<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 ${EVENT_TEXT}[examplePriority@32473 class="high"]`,
    {
      facility: 20,
      severity: 5,
      timestamp: '2003-10-11T22:14:15.003Z',
      hostname: 'mymachine.example.com',
      appName: 'evntslog',
      msgId: 'ID47',
      structuredData: { 'exampleSDID@32473': EVENT, 'examplePriority@32473': { class: 'high' } },
      message: '',
    },
  ],
]

/** The examples of RFC 3164, section 5.4, and others of its kind. */
const RFC_3164: readonly [string, object][] = [
  [
    "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
    {
      facility: 4,
      severity: 2,
      timestamp: 'Oct 11 22:14:15',
      hostname: 'mymachine',
      appName: 'su',
      message: "'su root' failed for lonvick on /dev/pts/8",
    },
  ],
  ['Use the BFG!', { facility: 1, severity: 5, message: 'Use the BFG!' }],
  [
    '<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!',
    {
      facility: 1,
      severity: 5,
      timestamp: 'Feb  5 17:32:18',
      hostname: '10.0.0.99',
      message: 'Use the BFG!',
    },
  ],
  [
    "<165>Aug 24 05:34:00 CST 1987 mymachine myproc[10]: %% It's time to make the do-nuts. %%",
    {
      facility: 20,
      severity: 5,
      timestamp: 'Aug 24 05:34:00',
      hostname: 'CST',
      message: "1987 mymachine myproc[10]: %% It's time to make the do-nuts. %%",
    },
  ],
  [
    "<0>1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.3 sched[0]: That's All Folks!",
    {
      facility: 0,
      severity: 0,
      message: "1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.3 sched[0]: That's All Folks!",
    },
  ],
  [
    '<86>Nov 29 04:10:01 CRON[4711]: session opened',
    {
      facility: 10,
      severity: 6,
      timestamp: 'Nov 29 04:10:01',
      appName: 'CRON',
      procId: '4711',
      message: 'session opened',
    },
  ],
  [
    '<30>2026-11-29T04:10:01.123456+00:00 2001:db8::1 dhcpd[7]:',
    {
      facility: 3,
      severity: 6,
      timestamp: '2026-11-29T04:10:01.123456+00:00',
      hostname: '2001:db8::1',
      appName: 'dhcpd',
      procId: '7',
      message: '',
    },
  ],
  ['<13>Oct 11 22:14:15 alone', { facility: 1, severity: 5, timestamp: 'Oct 11 22:14:15', message: 'alone' }],
  ['<192>su: a', { facility: 1, severity: 5, message: '<192>su: a' }],
  ['<192>1 - - - - - -', { facility: 1, severity: 5, message: '<192>1 - - - - - -' }],
  ['<013>a', { facility: 1, severity: 5, message: '<013>a' }],
  ['<13>2 - - - - - - a', { facility: 1, severity: 5, message: '2 - - - - - - a' }],
  [' ', { facility: 1, severity: 5, message: ' ' }],
]

const frames = (...texts: string[]) => texts.map(text => Buffer.from(text) as Frame)

/** A value without prototypes, as JSON has it. */
const plain = (value: unknown) => JSON.parse(JSON.stringify(value))

const header = (fields: string) => `<13>1 ${fields}`

for (const plan of PLANS) {
  const parse = async (text: string) => plain((await runStage(syslog(), frames(text), { plan }))[0])

  t.test(`${plan}: the examples of RFC 5424 and RFC 3164`, async t => {
    for (const [text, fields] of RFC_5424) {
      t.strictSame(await parse(text), { ...NOTHING, format: 'rfc5424', ...fields }, text)
    }
    for (const [text, fields] of RFC_3164) {
      t.strictSame(await parse(text), { ...NOTHING, format: 'rfc3164', ...fields }, text)
    }
  })

  t.test(`${plan}: an empty message is left out`, async t => {
    const got = await runStage(syslog(), frames('', 'a', '', '<13>', ''), { plan })
    t.match(got, [{ message: 'a' }, { message: '' }])
    t.equal(got.length, 2)
  })

  t.test(`${plan}: over TCP the same values come, for every cut`, async t => {
    const all = [...RFC_5424, ...RFC_3164].filter(([text]) => text.startsWith('<'))
    const wire = all.map(([text], index) =>
      index % 2 === 0 ? `${Buffer.byteLength(text)} ${text}` : `${text}\n`,
    )
    const list = pipeline()
      .through(octetCounted())
      .through(syslog())
      .through(toJsonLines())
      .through(toLines())
    const expected = await Promise.all(all.map(([text]) => parse(text)))
    for (const chunks of [...chunkings(wire.join(''), { random: 3 })].slice(-6)) {
      const output = Buffer.concat(await runStage(list, chunks, { plan })).toString()
      t.strictSame(
        output
          .trim()
          .split('\n')
          .map(line => JSON.parse(line)),
        expected,
      )
    }
  })

  t.test(`${plan}: the timestamps of RFC 5424, section 6.2.3.1`, async t => {
    for (const timestamp of [
      '1985-04-12T23:20:50.52Z',
      '1985-04-12T19:20:50.52-04:00',
      '2003-10-11T22:14:15.003Z',
      '2003-08-24T05:14:15.000003-07:00',
    ]) {
      t.match(await parse(header(`${timestamp} - - - - -`)), { format: 'rfc5424', timestamp })
    }
    for (const timestamp of [
      '2003-08-24T05:14:15.000000003-07:00',
      '2003-08-24T05:14:60Z',
      '2003-13-24T05:14:00Z',
      '2003-08-24t05:14:00z',
      '2003-08-24',
    ]) {
      await t.rejects(parse(header(`${timestamp} - - - - -`)), {
        message: /its timestamp is not that of RFC 5424/,
      })
    }
  })

  t.test(`${plan}: structured data of RFC 5424, section 6.3`, async t => {
    const data = async (text: string) => {
      const { structuredData, message } = (await parse(header(`- - - - - ${text}`))) as SyslogMessage
      return [structuredData, message]
    }
    t.strictSame(await data(`${EVENT_TEXT}[a@1]`), [{ 'exampleSDID@32473': EVENT, 'a@1': {} }, ''])
    t.strictSame(
      await data(`${EVENT_TEXT} [examplePriority@32473 class="high"]`),
      [{ 'exampleSDID@32473': EVENT }, '[examplePriority@32473 class="high"]'],
      'behind a space it is text',
    )
    t.strictSame(await data(String.raw`[a b="\"\\\]\n\é"] c`), [{ a: { b: String.raw`"\]\n\é` } }, 'c'])
    t.strictSame(
      await data('[origin ip="192.0.2.1" ip="192.0.2.129" ip="192.0.2.3"]'),
      [{ origin: { ip: ['192.0.2.1', '192.0.2.129', '192.0.2.3'] } }, ''],
      'a parameter may stand there several times',
    )
    t.strictSame(await data('[a b=""]  c'), [{ a: { b: '' } }, ' c'])
    const inherited = JSON.stringify(await data('[constructor toString="x"]'))
    t.equal(inherited, '[{"constructor":{"toString":"x"}},""]')
    for (const [text, what] of [
      ['[ a b="c"]', /an element of its structured data has no ID/],
      ['[a b="c"', /does not end with \]/],
      ['[__proto__ b="c"]', /an element of its structured data has no ID/],
      ['[a __proto__="c"]', /is not name="value"/],
      ['[a b=c]', /is not name="value"/],
      ['[a  b="c"]', /is not name="value"/],
      ['[a b="c]', /does not end, or has a \] that is not escaped/],
      ['[a b="c', /does not end, or has a \] that is not escaped/],
      ['[a][a]', /an ID stands twice/],
      ['[a]b', /is followed by no space/],
      ['-b', /is followed by no space/],
      ['b', /does not begin with \[ or -/],
      [`[${'a'.repeat(33)}]`, /does not end with \]/],
    ] as const) {
      await t.rejects(data(text), { code: 'ERR_BYWASH_INVALID_FRAME', stage: 'syslog', message: what }, text)
    }
    await t.rejects(parse(header('- - - - -')), { message: /does not have the fields of RFC 5424/ })
    await t.rejects(parse(header(`- - ${'a'.repeat(49)} - - -`)), { message: /does not have the fields/ })
  })

  t.test(
    `${plan}: what was written by the rules comes back, and anything else is no fault of ours`,
    async () => {
      const field = (max: number) => fc.stringMatching(new RegExp(`^[!-~]{1,${max}}$`))
      const name = fc.stringMatching(/^[!#-<>-\\^-~]{1,32}$/).filter(name => name !== '__proto__')
      const message = fc.record({
        priority: fc.integer({ min: 0, max: 191 }),
        fields: fc.tuple(field(255), field(48), field(128), field(32)),
        data: fc.dictionary(name, fc.dictionary(name, fc.string({ unit: 'grapheme' }))),
        text: fc.string({ unit: 'grapheme' }),
      })
      const escaped = (value: string) => value.replace(/["\\\]]/g, '\\$&')
      await fc.assert(
        fc.asyncProperty(message, fc.nat(200), async ({ priority, fields, data, text }, cut) => {
          const elements = Object.entries(data).map(
            ([id, parameters]) =>
              `[${id}${Object.entries(parameters)
                .map(([name, value]) => ` ${name}="${escaped(value)}"`)
                .join('')}]`,
          )
          const wire = `<${priority}>1 2003-10-11T22:14:15Z ${fields.join(' ')} ${elements.join('') || '-'} ${text}`
          const [hostname, appName, procId, msgId] = fields.map(field => (field === '-' ? undefined : field))
          const expected = {
            format: 'rfc5424',
            facility: Math.floor(priority / 8),
            severity: priority % 8,
            timestamp: '2003-10-11T22:14:15Z',
            hostname,
            appName,
            procId,
            msgId,
            structuredData: data,
            message: text.startsWith(BOM) ? text.slice(1) : text,
          }
          const got = await parse(wire)
          if (JSON.stringify(got) !== JSON.stringify(plain(expected))) throw new Error(JSON.stringify(got))
          await runStage(syslog({ invalid: 'skip' }), frames(wire.slice(0, cut), wire.slice(cut)), { plan })
        }),
        { numRuns: runs(150) },
      )
    },
  )

  t.test(`${plan}: an invalid message ends the connection, is reported, or is left out`, async t => {
    const input = frames('<13>a', '<13>1 x', '<13>b')
    await t.rejects(runStage(syslog(), input, { plan }), {
      code: 'ERR_BYWASH_INVALID_FRAME',
      output: [{ message: 'a' }],
    })
    const errors: BywashError[] = []
    const onError = (error: BywashError) => void errors.push(error)
    t.match(await runStage(syslog({ invalid: 'report' }), input, { plan, onError }), [
      { message: 'a' },
      { message: 'b' },
    ])
    t.match(errors, [{ code: 'ERR_BYWASH_INVALID_FRAME' }])
    t.match(await runStage(syslog({ invalid: 'skip' }), input, { plan, onError }), [
      { message: 'a' },
      { message: 'b' },
    ])
    t.equal(errors.length, 1)
  })
}

t.test('a message takes linear time, however hostile it is', async t => {
  for (const hostile of ['[a b="', '\\', '[a]', '<13>1 ', ' ', ':', '[a b=""]', '<13>Oct 11 22:14:15 ']) {
    const text = header(`- - - - - ${hostile.repeat(200_000)}`)
    await runStage(syslog({ invalid: 'skip' }), frames(text, hostile.repeat(200_000)))
  }
  t.pass('the test has ended')
})

t.test('refuses an option that does not exist, and a value that is not allowed', async t => {
  const refused = (options: object, message: RegExp) =>
    t.throws(() => syslog(options), { code: 'ERR_BYWASH_INVALID_OPTION', message })
  refused({ strict: true }, /syslog\(\) has no option 'strict'. It takes invalid/)
  refused({ invalid: 'drop' }, /'invalid' is one of "error", "report", "skip"/)
})
