// An SMTP server (RFC 5321) that takes mail for anybody over STARTTLS (RFC 3207), and writes it to stdout. It delivers nothing.
// Usage: smtp.ts PORT HOST CERT KEY
import { readFileSync } from 'node:fs'
import { lines, listen, pipeline, stage, toLines, welcome } from 'bywash'

const [port = '2525', host = '127.0.0.1', cert = 'cert.pem', key = 'key.pem'] = process.argv.slice(2)
const tls = { cert: readFileSync(cert), key: readFileSync(key) }
const MAX_MAIL_LENGTH = 1_048_576

const session = stage({
  name: 'session',
  accepts: 'line',
  emits: 'line',
  upgrades: true,
  open: connection => {
    let mail: string[] | undefined
    let length = 0
    let step: 'hello' | 'sender' | 'recipient' = 'hello'
    function takeLine(line: string, taken: string[]): string | undefined {
      length += line.length + 2
      if (line !== '.' && length <= MAX_MAIL_LENGTH) taken.push(line.replace(/^\./, ''))
      if (line !== '.') return undefined
      ;[mail, step] = [undefined, 'hello']
      if (length > MAX_MAIL_LENGTH) return '552 too long'
      process.stdout.write(`${JSON.stringify(taken.join('\n'))}\n`)
      return '250 taken'
    }
    function take(verb: string): string {
      if (verb === 'RSET') step = 'hello'
      if (verb === 'RSET' || verb === 'NOOP' || verb === 'HELO') return '250 ok'
      if (verb === 'EHLO') return connection.tls ? '250 HELP' : '250-HELP\r\n250 STARTTLS'
      if (verb === 'QUIT') return '221 bye'
      if (!connection.tls) return verb === 'STARTTLS' ? '220 go ahead' : '530 say STARTTLS first'
      if (verb === 'MAIL') step = 'sender'
      else if (verb === 'RCPT' && step !== 'hello') step = 'recipient'
      else if (verb === 'DATA' && step === 'recipient') [mail, length] = [[], 0]
      else return '503 not now'
      return mail ? '354 end with a dot' : '250 ok'
    }
    return {
      async transform(line, controller) {
        const verb = line.split(' ', 1)[0]?.toUpperCase() ?? ''
        const answer = mail ? takeLine(line, mail) : take(verb)
        if (answer !== undefined) controller.enqueue(answer)
        if (answer === '220 go ahead') await connection.startTls(tls)
        if (answer === '221 bye') controller.terminate()
      },
    }
  },
})
const decoder = lines({ encoding: 'latin1', delimiter: '\r\n', bare: 'error', partial: 'drop' })
const server = pipeline()
  .through(decoder)
  .through(session)
  .through(toLines({ delimiter: '\r\n', encoding: 'latin1' }))
  .through(welcome('220 bywash ESMTP\r\n'))
const listener = await listen(server, { host, port: Number(port), farewell: () => '421 bye\r\n' })
process.once('SIGTERM', () => void listener.close())
process.stderr.write(`SMTP on ${listener.address.address}:${listener.address.port}\n`)
