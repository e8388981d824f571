import type { z } from 'zod';

/** One thing wrong with a request: where, and what would be right. */
export interface FieldIssue {
  /** Dotted path: `strategy.nPush`, `model.zoo`; empty for the whole. */
  field: string;
  message: string;
}

/** Every issue of a failed parse. Of a union, the branch that came closest is described, so that the message names the real mistake. */
export function describeIssues(
  error: { issues: readonly z.core.$ZodIssue[] },
  at: readonly PropertyKey[] = [],
): FieldIssue[] {
  return error.issues.flatMap((issue) => {
    const path = [...at, ...issue.path];
    if (issue.code === 'invalid_union' && issue.errors.length > 0) {
      const [closest] = [...issue.errors].sort((a, b) => a.length - b.length);
      return describeIssues({ issues: closest ?? [] }, path);
    }
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        field: [...path, key].map(String).join('.'),
        message: 'There is no such field',
      }));
    }
    return [{ field: path.map(String).join('.'), message: issue.message }];
  });
}
