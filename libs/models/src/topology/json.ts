import { invalidModel } from './invalid-model.ts';

export type Json = Record<string, unknown>;

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function objectAt(value: unknown, path: string): Json {
  if (!isObject(value)) throw invalidModel(path, `Expected an object, got ${describe(value)}.`);
  return value;
}

export function listAt(value: unknown, path: string): unknown[] {
  if (!Array.isArray(value)) throw invalidModel(path, `Expected a list, got ${describe(value)}.`);
  return value;
}

export function stringAt(value: unknown, path: string): string {
  if (typeof value !== 'string' || value === '') throw invalidModel(path, `Expected a name, got ${describe(value)}.`);
  return value;
}

export function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
