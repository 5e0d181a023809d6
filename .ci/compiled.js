/** The folder of the compiled files, which has the layout of the project. A file of its own: what compiles is not loaded to run. */
export const COMPILED = '.cache/suite'
