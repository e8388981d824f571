export { Fixture } from './fixture.ts';
