/** What a run without options tries, of each kind of service. */
const FRAMES_IN_A_TEST = 5000;
const SEED = 1_234_567;

/** How many mutated messages a fuzz test tries, and by which seed: `npm run fuzz` sets both. */
export const fuzzPlan = (): { frames: number; seed: number; timeoutMs: number } => {
  const frames = Number(process.env['FUZZ_FRAMES'] ?? FRAMES_IN_A_TEST);
  return { frames, seed: Number(process.env['FUZZ_SEED'] ?? SEED), timeoutMs: 60_000 + frames * 10 };
};

/** Shows what was tried, for `npm run fuzz`. */
export const tellFuzz = (what: string, counts: readonly { source: string; reason: string; count: number }[]): void => {
  if (process.env['FUZZ_FRAMES'] === undefined) return;
  const rows = counts.map(({ source, reason, count }) => `  ${source.padEnd(28)} ${reason.padEnd(16)} ${count}`);
  process.stderr.write(`\n${what}\n${rows.join('\n')}\n`);
};
