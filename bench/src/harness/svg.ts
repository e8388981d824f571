import { short } from './statistics.ts';

/** Plots as SVG text, drawn by hand: no library, no font that is not there. */

export interface Bar {
  label: string;
  value: number;
  /** Lowest and highest repetition. */
  range: [number, number];
  aim: { least: number } | { most: number } | null;
}

const COLOURS = ['#2563eb', '#dc2626', '#059669', '#d97706', '#7c3aed', '#0891b2', '#be185d', '#4d7c0f'];
const GOOD = '#059669';
const BAD = '#d97706';
const NEUTRAL = '#64748b';
export const FONT = 'font-family="system-ui, sans-serif" font-size="12" fill="#0f172a"';
export const WIDTH = 860;

/** One bar a figure, with the aim as a mark and the spread of the repetitions as a whisker. */
export function barChart(title: string, axis: string, bars: readonly Bar[]): string {
  const left = 260;
  const rowHeight = 26;
  const height = 60 + bars.length * rowHeight + 30;
  const most = Math.max(...bars.flatMap(({ value, range, aim }) => [value, range[1], aim ? aimValue(aim) : 0]), 1e-9);
  const x = (value: number) => left + (value / (most * 1.1)) * (WIDTH - left - 90);
  const rows = bars.map(({ label, value, range, aim }, i) => {
    const y = 50 + i * rowHeight;
    const middle = y + 8;
    const colour = aim === null ? NEUTRAL : reaches(value, aim) ? GOOD : BAD;
    return [
      `<text x="${left - 8}" y="${y + 12}" text-anchor="end" ${FONT}>${escape(label)}</text>`,
      `<rect x="${left}" y="${y}" width="${(x(value) - left).toFixed(1)}" height="16" fill="${colour}"/>`,
      line(x(range[0]), middle, x(range[1]), middle, '#0f172a', 1),
      ...(aim ? [line(x(aimValue(aim)), y - 3, x(aimValue(aim)), y + 19, '#dc2626', 2)] : []),
      `<text x="${(Math.max(x(value), x(range[1]), aim ? x(aimValue(aim)) : 0) + 6).toFixed(1)}" y="${y + 12}" ${FONT}>${short(value)}</text>`,
    ].join('');
  });
  const note = `${axis}; bar: median, line: lowest to highest, red mark: aim`;
  return document(height, title, [...rows, `<text x="20" y="${height - 10}" ${FONT}>${escape(note)}</text>`]);
}

interface Scale {
  /** 0 to 1. */
  share: (value: number) => number;
  ticks: readonly number[];
}

const QUARTERS = [0, 0.25, 0.5, 0.75, 1];

function linearScale(most: number): Scale {
  return { share: (value) => value / most, ticks: QUARTERS.map((share) => share * most) };
}

/** Ticks are powers of two, from the one below the least value to the one above the greatest. */
function logScale(values: readonly number[]): Scale {
  const first = Math.floor(Math.log2(Math.min(...values)));
  const steps = Math.max(1, Math.ceil(Math.log2(Math.max(...values))) - first);
  return {
    share: (value) => (Math.log2(value) - first) / steps,
    ticks: Array.from({ length: steps + 1 }, (_, i) => 2 ** (first + i)),
  };
}

/** Lines over a common x axis. Axes begin at 0 but for those that are logarithmic, whose values must be above it. */
export function lineChart(
  title: string,
  axes: { x: string; y: string; log?: 'x' | 'both' },
  series: readonly { name: string; points: readonly [number, number][] }[],
): string {
  const height = 420;
  const [left, right, top, bottom] = [80, 225, 50, 50];
  const points = series.flatMap((one) => one.points);
  const [valuesX, valuesY] = [points.map(([px]) => px), points.map(([, py]) => py)];
  const across = axes.log ? logScale(valuesX) : linearScale(Math.max(...valuesX, 1e-9));
  const up = axes.log === 'both' ? logScale(valuesY) : linearScale(Math.max(...valuesY, 1e-9) * 1.05);
  const x = (value: number) => left + across.share(value) * (WIDTH - left - right);
  const y = (value: number) => height - bottom - up.share(value) * (height - top - bottom);
  const parts = up.ticks.flatMap((tick) => [
    line(left, y(tick), WIDTH - right, y(tick), '#e2e8f0', 1),
    `<text x="${left - 6}" y="${(y(tick) + 4).toFixed(1)}" text-anchor="end" ${FONT}>${short(tick)}</text>`,
  ]);
  for (const tick of across.ticks)
    parts.push(
      `<text x="${x(tick).toFixed(1)}" y="${height - bottom + 16}" text-anchor="middle" ${FONT}>${short(tick)}</text>`,
    );
  series.forEach(({ name, points: own }, i) => {
    const colour = COLOURS[i % COLOURS.length]!;
    const path = own.map(([px, py]) => `${x(px).toFixed(1)},${y(py).toFixed(1)}`).join(' ');
    const dashes = i < COLOURS.length ? '' : ' stroke-dasharray="5 3"';
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"${dashes}/>`);
    if (own.length <= 40)
      for (const [px, py] of own)
        parts.push(`<circle cx="${x(px).toFixed(1)}" cy="${y(py).toFixed(1)}" r="3" fill="${colour}"/>`);
    const legendY = top + 10 + i * 18;
    parts.push(
      `<path d="M${WIDTH - right + 15} ${legendY}h20" fill="none" stroke="${colour}" stroke-width="3"${dashes}/>`,
    );
    parts.push(`<text x="${WIDTH - right + 41}" y="${legendY + 4}" ${FONT}>${escape(name)}</text>`);
  });
  parts.push(`<text x="${left}" y="${height - 10}" ${FONT}>${escape(axes.x)}</text>`);
  parts.push(`<text x="${left}" y="${top - 10}" ${FONT}>${escape(axes.y)}</text>`);
  return document(height, title, parts);
}

export function reaches(value: number, aim: { least: number } | { most: number }): boolean {
  return 'least' in aim ? value >= aim.least : value <= aim.most;
}

function aimValue(aim: { least: number } | { most: number }): number {
  return 'least' in aim ? aim.least : aim.most;
}

export function line(x1: number, y1: number, x2: number, y2: number, colour: string, width: number): string {
  const [a, b, c, d] = [x1, y1, x2, y2].map((value) => value.toFixed(1));
  return `<line x1="${a}" y1="${b}" x2="${c}" y2="${d}" stroke="${colour}" stroke-width="${width}"/>`;
}

export function document(height: number, title: string, parts: string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    `<text x="20" y="26" font-family="system-ui, sans-serif" font-size="15" font-weight="600" fill="#0f172a">${escape(title)}</text>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

export function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
