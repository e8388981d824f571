export { IntakeLog } from './intake-log.ts';
export { Loopback, sliceHeader } from './loopback.ts';
export { MutatedFrames } from './mutated-frames.ts';
export type { LoopbackAnswer, LoopbackReply } from './loopback.ts';
export type { FrameSample } from './mutated-frames.ts';
