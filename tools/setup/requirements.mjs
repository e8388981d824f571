/**
 * The block of one package in a pip requirements file: the requirement with its hashes, on one line, without its
 * environment marker (which platform needs which package is decided in platform.mjs).
 *
 * @param {string} text
 * @param {string} name
 */
export function requirementOf(text, name) {
  const lines = text.replaceAll(/\\\n\s*/g, '').split('\n');
  const line = lines.find((candidate) => candidate.startsWith(`${name}==`));
  if (!line) throw new Error(`native/requirements.txt does not pin ${name}`);
  const [requirement, ...hashes] = line.split(/\s+(?=--hash=)/);
  if (hashes.length === 0) throw new Error(`native/requirements.txt has no hash for ${name}`);
  return [requirement.split(';')[0].trim(), ...hashes].join(' ').trim();
}
