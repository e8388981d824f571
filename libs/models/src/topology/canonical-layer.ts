import { invalidModel } from './invalid-model.ts';
import { describe, objectAt, stringAt, type Json } from './json.ts';
import { ruleOf } from './layer-rules.ts';
import type { LayerConfig, LayerNode } from './topology.ts';
import {
  canonicalActivation,
  canonicalBatchShape,
  canonicalInitializer,
  canonicalRegularizer,
  checkDtype,
} from './values.ts';

/** In every layer: `dtype` is checked, the others are handled here or mean nothing for training. */
const COMMON = ['name', 'trainable', 'dtype', 'batch_input_shape', 'batch_shape', 'batch_size', 'input_dtype'];

/** One layer, without its connections. `path` leads to it in the job's spec. */
export function canonicalLayer(value: unknown, path: string): LayerNode {
  const layer = objectAt(value, path);
  const rule = ruleOf(layer['class_name'], `${path}.class_name`);
  const at = `${path}.config`;
  const given: Json = { ...objectAt(layer['config'], at) };
  const config: LayerConfig = { name: stringAt(given['name'] ?? layer['name'], `${at}.name`) };
  checkDtype(given['dtype'], `${at}.dtype`);
  if (typeof given['trainable'] === 'boolean') config['trainable'] = given['trainable'];
  const shape = given['batch_input_shape'] ?? given['batch_shape'];
  if (shape !== undefined && shape !== null)
    config['batch_input_shape'] = canonicalBatchShape(
      shape,
      `${at}.${given['batch_shape'] ? 'batch_shape' : 'batch_input_shape'}`,
    );
  rule.adjust?.(given, at);
  for (const [key, setting] of Object.entries(given)) {
    if (COMMON.includes(key) || rule.ignored?.includes(key)) continue;
    if (!rule.keys.includes(key)) {
      if (saysNothing(setting)) continue;
      if (key === 'activity_regularizer')
        throw invalidModel(
          `${at}.${key}`,
          'Activity regularizers are not supported. Use null; kernel_regularizer and bias_regularizer work.',
        );
      throw invalidModel(
        `${at}.${key}`,
        `A ${String(layer['class_name'])} layer with ${key} ${describe(setting)} is not supported.`,
      );
    }
    const canonical = canonicalSetting(key, setting, `${at}.${key}`);
    if (canonical !== undefined) config[key] = canonical;
  }
  return { class_name: String(layer['class_name']), config };
}

function saysNothing(value: unknown): boolean {
  return value === null || value === undefined || value === false || (Array.isArray(value) && value.length === 0);
}

function canonicalSetting(key: string, value: unknown, path: string): unknown {
  if (key === 'activation' || key === 'recurrent_activation') return canonicalActivation(value, path);
  if (key.endsWith('_initializer')) return canonicalInitializer(value, path);
  if (key.endsWith('_regularizer')) return canonicalRegularizer(value, path);
  if (key.endsWith('_constraint')) {
    if (value === null || value === undefined) return undefined;
    throw invalidModel(path, 'Constraints are not supported: shards apply gradients without knowing layers. Use null.');
  }
  if (key === 'data_format') {
    if (value === null || value === undefined) return undefined;
    if (value === 'channels_last' || value === 'channelsLast') return 'channels_last';
    throw invalidModel(path, `Only channels_last is supported, got ${describe(value)}.`);
  }
  return value === null ? undefined : value;
}
