#!/usr/bin/env node
import { help, parseStartOptions, UsageError } from './options.ts';
import { start } from './start.command.ts';

/** Loaded when it is wanted: starting a cluster needs none of it. */
async function runReplay(argv: string[]): Promise<number> {
  const { parseReplayOptions, replayHelp } = await import('./replay/options.ts');
  const options = parseReplayOptions(argv);
  if (options !== 'help') return (await import('./replay/replay.command.ts')).replay(options);
  console.log(replayHelp());
  return 0;
}

const [command, ...rest] = process.argv.slice(2);
try {
  if (command === 'replay') process.exitCode = await runReplay(rest);
  else if (command !== 'start')
    throw new UsageError(`unknown command: ${command ?? '(none)'}; there are start and replay\n\n${help()}`);
  else {
    const options = parseStartOptions(rest);
    if (options === 'help') console.log(help());
    else process.exitCode = await start(options);
  }
} catch (error) {
  console.error(error instanceof Error ? `downpour: ${error.message}` : error);
  process.exitCode = error instanceof UsageError ? 64 : 1;
}
