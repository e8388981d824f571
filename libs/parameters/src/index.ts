export type { LoggedPush, PushLog, SnapshotStore } from './ports.ts';
