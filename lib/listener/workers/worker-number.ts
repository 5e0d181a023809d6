/** Environment variable with the number of a worker. */
export const NUMBER_VARIABLE = 'BYWASH_WORKER'
