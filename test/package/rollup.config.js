// The settings of the last row of the table of bundlers in docs/using.md.
import commonjs from '@rollup/plugin-commonjs'
import json from '@rollup/plugin-json'
import { nodeResolve } from '@rollup/plugin-node-resolve'

export default {
  input: 'server.mjs',
  plugins: [nodeResolve({ preferBuiltins: true, exportConditions: ['node'] }), commonjs(), json()],
  output: [
    { file: 'rolled.mjs', format: 'es', inlineDynamicImports: true },
    { file: 'rolled.cjs', format: 'cjs', inlineDynamicImports: true },
  ],
}
