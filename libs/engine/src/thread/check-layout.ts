import { DownpourError, type ParameterLayout } from '@downpour/contracts';

/** A worker of another version could lay a model out differently: its gradients would land on other parameters. */
export function checkLayout(built: ParameterLayout, planned: ParameterLayout): void {
  const text = ({ variables }: ParameterLayout) =>
    variables.map(({ shape, offset, trainable }) => `${offset}:${shape.join('x')}:${trainable}`).join(' ');
  if (built.length !== planned.length || text(built) !== text(planned))
    throw new DownpourError(
      'invalid-model',
      `The model built here has ${built.length} parameters in another layout than the plan's ${planned.length}. Run one version of Downpour on all machines.`,
    );
}
