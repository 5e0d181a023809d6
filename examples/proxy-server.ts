// Passes each connection on to another server: node examples/proxy-server.ts 8080 127.0.0.1 redis.local:6379
import { listen, pipeline, upstream } from 'bywash'

const [port = '8080', host = '0.0.0.0', to = 'localhost:6379'] = process.argv.slice(2)

const listener = await listen(pipeline().through(upstream(to)), { host, port: Number(port) })
process.once('SIGTERM', () => void listener.close())

const bound = listener.address
process.stderr.write(`Proxy listening on ${bound.address}:${bound.port}\n`)
