import type { Role } from '@downpour/contracts';
import { z } from 'zod';
import { envChoice, envDurationMs, envInteger, envNatsServers, envText } from './env-values.ts';

/** The gateway's port is where users look; the others' serve health and metrics only, and many run on one host. */
const HTTP_PORTS: Record<Role, number> = { gateway: 8080, 'parameter-shard': 0, worker: 0, 'data-sharder': 0 };

/** What every role reads from the environment. Apps extend it: `serviceConfigSchema('worker').extend({ ... })`. */
export const serviceConfigSchema = (role: Role) =>
  z.object({
    NATS_URL: envNatsServers()
      .default('nats://127.0.0.1:4222')
      .describe('NATS server, or several of one cluster separated by commas'),
    NATS_USER: envText('a user name').optional().describe('User name at the NATS server'),
    NATS_PASSWORD: envText('a password').optional().describe('Password at the NATS server'),
    NATS_TOKEN: envText('a token').optional().describe('Token at the NATS server, instead of user and password'),
    HTTP_HOST: envText('a host name or address to listen on')
      .default('127.0.0.1')
      .describe('Address to serve HTTP on; 0.0.0.0 for every interface (containers need it)'),
    HTTP_PORT: envInteger(0, 65_535)
      .default(HTTP_PORTS[role])
      .describe('Port of /healthz, /readyz and /metrics (and of the API on the gateway); 0 takes a free one'),
    LOG_LEVEL: envChoice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
      .default('info')
      .describe('Least severe log line that is written'),
    LOG_FORMAT: envChoice(['json', 'pretty'])
      .default('json')
      .describe('json: one object a line, for collectors; pretty: for people'),
    INSTANCE_NAME: z
      .string()
      .regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, 'lower-case letters, digits and single hyphens, such as shard-a')
      .max(40, 'at most 40 characters')
      .default(role)
      .describe('Start of the instance id; a random part that is new at every start follows'),
    SHUTDOWN_TIMEOUT_MS: envDurationMs(100, 600_000)
      .default(10_000)
      .describe('How long a stopping process may take to finish what it has in hand'),
  });

export type ServiceConfig = z.infer<ReturnType<typeof serviceConfigSchema>>;
export type ConfigSchema = z.ZodObject<z.core.$ZodLooseShape>;

/** The environment is wrong: `message` names every bad variable and what would be right. */
export class ConfigError extends Error {
  readonly variables: readonly string[];
  constructor(message: string, variables: readonly string[]) {
    super(message);
    this.name = 'ConfigError';
    this.variables = variables;
  }
}

/**
 * Parses the environment once. An empty variable counts as unset (that is how compose files spell it).
 * @throws ConfigError naming all bad variables at once.
 */
export const loadConfig = <S extends ConfigSchema>(
  schema: S,
  env: Readonly<Record<string, string | undefined>> = process.env,
): z.output<S> => {
  const given: Record<string, string> = {};
  for (const name of Object.keys(schema.shape)) {
    const value = env[name]?.trim();
    if (value !== undefined && value !== '') given[name] = value;
  }
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const expected = new Map<string, string>();
  for (const issue of parsed.error.issues) {
    const name = issue.path.length > 0 ? String(issue.path[0]) : 'environment';
    if (!expected.has(name)) expected.set(name, issue.message);
  }
  const variables = describeVariables(schema);
  const lines = [...expected].map(([name, message]) => {
    const about = variables.find((variable) => variable.name === name);
    const value = given[name];
    const verdict =
      value === undefined ? 'is not set, and it has no default' : `is ${shown(name, value)}; it should be ${message}`;
    const byDefault = about?.default === undefined ? '' : ` Default: ${about.default}.`;
    return `  ${name} ${verdict}.${about === undefined ? '' : ` ${about.description}.`}${byDefault}`;
  });
  const count = lines.length === 1 ? '1 environment variable is' : `${lines.length} environment variables are`;
  throw new ConfigError(`${count} wrong:\n${lines.join('\n')}`, [...expected.keys()]);
};

const shown = (name: string, value: string): string => {
  if (/PASSWORD|TOKEN|SECRET/.test(name)) return '(not shown)';
  return JSON.stringify(value.replace(/\/\/[^/@]*@/g, '//***@'));
};

/** One line of docs/env.md. `default` is undefined when there is none: then `required` says whether it must be given. */
export interface VariableDescription {
  name: string;
  default: string | undefined;
  required: boolean;
  description: string;
}

/** Every variable that a schema reads. */
export const describeVariables = (schema: ConfigSchema): VariableDescription[] =>
  Object.entries(schema.shape).map(([name, field]) => {
    const type = field as z.ZodType;
    const byDefault = type instanceof z.ZodDefault ? String(type.def.defaultValue) : undefined;
    return {
      name,
      default: byDefault,
      required: byDefault === undefined && !type.safeParse(undefined).success,
      description: type.description ?? '',
    };
  });
