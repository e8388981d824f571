/** A snapshot cannot be used; the one before it may be. */
export class SnapshotError extends Error {
  constructor(reason: string, options?: ErrorOptions) {
    super(`The snapshot cannot be used: ${reason}`, options);
    this.name = 'SnapshotError';
  }
}
