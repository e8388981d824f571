import type { DownpourError } from '@downpour/contracts';
import { invalidModel } from '../topology/invalid-model.ts';

/** Whether a name is this one, or fits the pattern: * stands for any characters. */
export function matches(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}

/** Names in an error's message: the others are as easily looked up. */
const SHOWN = 20;

export function nothingMatches(field: string, pattern: string, names: readonly string[]): DownpourError {
  const more = names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '';
  return invalidModel(
    field,
    `No layer is named ${JSON.stringify(pattern)} or fits it. The layers are ${names.slice(0, SHOWN).join(', ')}${more}.`,
  );
}
