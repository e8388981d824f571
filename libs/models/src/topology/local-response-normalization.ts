import { invalidModel } from './invalid-model.ts';
import { describe, type Json } from './json.ts';

/** Class name of the layer (../local-response-normalization.ts). */
export const LOCAL_RESPONSE_NORMALIZATION = 'LocalResponseNormalization';

/** Settings as `tf.nn.local_response_normalization` names them. Only numbers that keep what is divided by above 0. */
export function checkLocalResponse(config: Json, path: string): void {
  const number = (key: string, good: (value: number) => boolean, words: string) => {
    const value = config[key];
    if (value === undefined || value === null) delete config[key];
    else if (typeof value !== 'number' || !good(value))
      throw invalidModel(`${path}.${key}`, `Expected ${words}, got ${describe(value)}.`);
  };
  number('depth_radius', (value) => Number.isInteger(value) && value >= 0, 'a whole number of channels from 0');
  number('bias', (value) => value > 0, 'a number above 0');
  number('alpha', (value) => value >= 0, 'a number from 0');
  number('beta', (value) => value >= 0, 'a number from 0');
}
