export type { BlobSource } from './ports.ts';
