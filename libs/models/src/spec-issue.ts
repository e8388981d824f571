/** Something in a job's spec that does not fit its data set. */
export interface SpecIssue {
  /** Path in the job's spec. */
  field: string;
  /** Says what would be right. */
  message: string;
}
