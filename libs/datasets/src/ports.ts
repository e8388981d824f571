/** Reads stored objects by name (the object store behind it). */
export interface BlobSource {
  /** Whole object. */
  read(name: string): Promise<Uint8Array>;
}
