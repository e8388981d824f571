import { describe, expect, it } from 'vitest';
import { ConfigError, describeVariables, loadConfig, serviceConfigSchema } from './config.ts';
import { envBoolean, envBytes, envText } from './env-values.ts';

const schema = serviceConfigSchema('worker').extend({
  CACHE_BYTES: envBytes(1, 2 ** 40)
    .default(2 ** 20)
    .describe('Size of the cache'),
  EAGER: envBoolean().default(false).describe('Whether to hurry'),
});

const errorOf = (env: Record<string, string>, of: Parameters<typeof loadConfig>[0] = schema): ConfigError => {
  try {
    loadConfig(of, env);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('the environment was accepted');
};

describe('configuration', () => {
  it('has a default for everything, and roles differ in their port', () => {
    const config = loadConfig(schema, {});
    expect(config.NATS_URL).toBe('nats://127.0.0.1:4222');
    expect(config.HTTP_PORT).toBe(0);
    expect(config.INSTANCE_NAME).toBe('worker');
    expect(config.SHUTDOWN_TIMEOUT_MS).toBe(10_000);
    expect(config.NATS_TOKEN).toBeUndefined();
    expect(loadConfig(serviceConfigSchema('gateway'), {}).HTTP_PORT).toBe(8080);
  });

  it('takes an empty variable as unset and trims the others', () => {
    const config = loadConfig(schema, { NATS_TOKEN: '', HTTP_PORT: ' 9090 ' });
    expect(config.NATS_TOKEN).toBeUndefined();
    expect(config.HTTP_PORT).toBe(9090);
  });

  it('names every bad variable at once, what it is and what would be right', () => {
    const error = errorOf({
      HTTP_PORT: 'http',
      LOG_LEVEL: 'loud',
      NATS_URL: 'http://x',
      CACHE_BYTES: '3 pounds',
      EAGER: 'yes',
    });
    expect(error.variables).toEqual(['NATS_URL', 'HTTP_PORT', 'LOG_LEVEL', 'CACHE_BYTES', 'EAGER']);
    expect(error.message).toMatch(/^5 environment variables are wrong:\n/);
    expect(error.message).toContain('HTTP_PORT is "http"; it should be a whole number from 0 to 65535.');
    expect(error.message).toContain('LOG_LEVEL is "loud"; it should be one of fatal, error, warn, info');
    expect(error.message).toContain('EAGER is "yes"; it should be true or false. Whether to hurry. Default: false.');
  });

  it('names a variable that has no default and is not set', () => {
    const strict = schema.extend({ REGION: envText('a region').describe('Where it runs') });
    expect(errorOf({}, strict).message).toContain('REGION is not set, and it has no default. Where it runs.');
  });

  it('never shows a secret', () => {
    const strict = schema.extend({ API_TOKEN: envBytes(1, 2).describe('Not really a token') });
    expect(errorOf({ API_TOKEN: 'hunter2' }, strict).message).not.toContain('hunter2');
    expect(errorOf({ NATS_URL: 'http://bob:hunter2@host' }).message).not.toContain('hunter2');
  });

  it.each([
    ['1500', 1500],
    ['1KiB', 1024],
    ['2 GiB', 2 ** 31],
    ['0.5MB', 500_000],
  ])('reads the size %s as %d bytes', (text, bytes) => {
    expect(loadConfig(schema, { CACHE_BYTES: text }).CACHE_BYTES).toBe(bytes);
  });

  it.each(['-1', '1.5.2', '0', '1 TB', 'MiB'])('refuses the size %s', (text) => {
    expect(errorOf({ CACHE_BYTES: text }).variables).toEqual(['CACHE_BYTES']);
  });

  it.each(['65536', '-1', '8080.5', '0x50'])('refuses the port %s', (text) => {
    expect(errorOf({ HTTP_PORT: text }).variables).toEqual(['HTTP_PORT']);
  });

  it.each(['nats://a:1', 'a:1,b', 'tls://h', 'nats://u:p@h:4222, nats://i'])('accepts the servers %s', (text) => {
    expect(loadConfig(schema, { NATS_URL: text }).NATS_URL).toBe(text);
  });

  it.each(['nats://', 'a,,b', 'ftp://h', 'nats://h:99999'])('refuses the servers %s', (text) => {
    expect(errorOf({ NATS_URL: text }).variables).toEqual(['NATS_URL']);
  });

  it.each(['Worker', 'a b', '-a', 'a.b', 'x'.repeat(41)])(
    'refuses the instance name %s: it is a subject token',
    (text) => {
      expect(errorOf({ INSTANCE_NAME: text }).variables).toEqual(['INSTANCE_NAME']);
    },
  );

  it('describes every variable', () => {
    const variables = describeVariables(schema);
    expect(variables.map((variable) => variable.name)).toEqual(Object.keys(schema.shape));
    for (const variable of variables) expect(variable.description, variable.name).not.toBe('');
    expect(variables.find((variable) => variable.name === 'CACHE_BYTES')).toEqual({
      name: 'CACHE_BYTES',
      default: '1048576',
      required: false,
      description: 'Size of the cache',
    });
  });
});
