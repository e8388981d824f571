export { VectorMemory } from './vector-memory.ts';
