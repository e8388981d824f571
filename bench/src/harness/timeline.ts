import { document, escape, FONT, line, WIDTH } from './svg.ts';

export interface Block {
  row: number;
  beginMs: number;
  ms: number;
  label: string;
  kind: string;
}

export interface Panel {
  title: string;
  /** Names of its rows, and what is said at their end. */
  rows: readonly { name: string; note: string }[];
  blocks: readonly Block[];
}

const COLOURS = ['#2563eb', '#d97706'];
const ROW = 24;
const [LEFT, RIGHT] = [96, 60];
/** Of a digit. */
const DIGIT_WIDTH = 7;

/** Who did what when: panels below each other over one time axis, a row each of whoever did it. Kinds have colours in the order in which they are given. */
export function timeline(title: string, axis: string, kinds: readonly string[], panels: readonly Panel[]): string {
  const most = Math.max(...panels.flatMap(({ blocks }) => blocks.map(({ beginMs, ms }) => beginMs + ms)));
  const x = (ms: number) => LEFT + (ms / most) * (WIDTH - LEFT - RIGHT);
  const parts = kinds.map((kind, i) => {
    const at = WIDTH - RIGHT - 110 * (kinds.length - i);
    return `<rect x="${at}" y="15" width="14" height="14" rx="2" fill="${COLOURS[i]}"/><text x="${at + 20}" y="26" ${FONT}>${escape(kind)}</text>`;
  });
  const bottom = 44 + panels.reduce((sum, { rows }) => sum + 30 + rows.length * ROW, 0);
  for (const tick of ticksUpTo(most)) {
    parts.push(line(x(tick), 48, x(tick), bottom, '#e2e8f0', 1));
    parts.push(`<text x="${x(tick).toFixed(1)}" y="${bottom + 16}" text-anchor="middle" ${FONT}>${tick}</text>`);
  }
  let y = 44;
  for (const { title: name, rows, blocks } of panels) {
    parts.push(`<text x="20" y="${y + 20}" ${FONT} font-weight="600">${escape(name)}</text>`);
    y += 28;
    rows.forEach((row, i) => {
      const top = y + i * ROW;
      parts.push(`<text x="${LEFT - 8}" y="${top + 15}" text-anchor="end" ${FONT}>${escape(row.name)}</text>`);
      parts.push(
        `<rect x="${LEFT}" y="${top}" width="${WIDTH - LEFT - RIGHT}" height="20" fill="#64748b" fill-opacity="0.1"/>`,
      );
      parts.push(`<text x="${WIDTH - RIGHT + 8}" y="${top + 15}" ${FONT}>${escape(row.note)}</text>`);
    });
    for (const { row, beginMs, ms, label, kind } of blocks) {
      const [from, width] = [x(beginMs), x(beginMs + ms) - x(beginMs)];
      const top = y + row * ROW;
      // A hair less wide, so that neighbours stay apart.
      parts.push(
        `<rect x="${from.toFixed(1)}" y="${top}" width="${Math.max(0.5, width - 0.7).toFixed(1)}" height="20" fill="${COLOURS[kinds.indexOf(kind)]}"/>`,
      );
      if (width > DIGIT_WIDTH * (label.length + 0.4))
        parts.push(
          `<text x="${(from + width / 2).toFixed(1)}" y="${top + 14}" text-anchor="middle" font-family="system-ui, sans-serif" font-size="11" fill="white">${escape(label)}</text>`,
        );
    }
    y += rows.length * ROW + 2;
  }
  parts.push(`<text x="20" y="${bottom + 36}" ${FONT}>${escape(axis)}</text>`);
  return document(bottom + 48, title, parts);
}

/** Five to ten round numbers. */
function ticksUpTo(most: number): number[] {
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [0.1, 0.2, 0.5, 1].map((part) => part * power).find((each) => most / each <= 10)!;
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}
