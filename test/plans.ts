/** Every behaviour of a stage is tested on both. */
export const PLANS = ['fused', 'streams'] as const
