import { DownpourError } from '@downpour/contracts';

/** `field` is a path in the job's spec: `model.topology.config.layers[3].class_name`. The message says what would be right. */
export function invalidModel(field: string, message: string, cause?: unknown): DownpourError {
  return new DownpourError('invalid-model', `${field}: ${message}`, { field, cause });
}
