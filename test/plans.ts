/** Both plans. Each behaviour of a stage is tested on each. */
export const PLANS = ['fused', 'streams'] as const
