#!/usr/bin/env node
import { help, parseStartOptions, UsageError } from './options.ts';
import { start } from './start.command.ts';

const [command, ...rest] = process.argv.slice(2);
try {
  if (command !== 'start') throw new UsageError(`unknown command: ${command ?? '(none)'}\n\n${help()}`);
  const options = parseStartOptions(rest);
  if (options === 'help') console.log(help());
  else process.exitCode = await start(options);
} catch (error) {
  console.error(error instanceof Error ? `downpour: ${error.message}` : error);
  process.exitCode = error instanceof UsageError ? 64 : 1;
}
