import { readFileSync } from 'node:fs';

export type FixtureName = 'keras2-sequential' | 'keras2-functional' | 'keras3-sequential' | 'keras3-functional';

/** A topology as that version of Keras writes it; a new object for each call. For tests. */
export function fixture(name: FixtureName): Fixture {
  return JSON.parse(
    readFileSync(new URL(`../../src/topology/fixtures/${name}.json`, import.meta.url), 'utf8'),
  ) as Fixture;
}

export interface Fixture extends Record<string, unknown> {
  class_name: string;
  config: Record<string, unknown> & { layers: { class_name: string; config: Record<string, unknown> }[] };
}
