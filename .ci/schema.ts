// Writes the JSON Schema of files from the definitions of stages and options. Runs behind tsc.
import { writeFileSync } from 'node:fs'
import { fileSchema } from '../lib/config/file/json-schema.js'
import { builtIn } from '../lib/config/registry.js'

writeFileSync('dist/bywash.schema.json', JSON.stringify(fileSchema(builtIn())))
