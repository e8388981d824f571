/**
 * Seed of one step's dropout masks, from where the step stands in the job and nothing else: whoever trains a chunk again draws
 * the same masks. A 32-bit mix (murmur3's finalizer) after each word, so that neighbouring steps are unrelated.
 */
export function stepSeed(jobSeed: number, epoch: number, chunk: number, step: number): number {
  let hash = jobSeed >>> 0;
  for (const word of [epoch, chunk, step]) {
    hash = (Math.imul(hash, 31) + word + 0x9e3779b9) >>> 0;
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    hash = (hash ^ (hash >>> 16)) >>> 0;
  }
  return hash;
}
