import type { CutNode, ModelGraph } from '@downpour/contracts';

const COLOURS = ['#bfdbfe', '#fed7aa', '#bbf7d0', '#e9d5ff', '#fecaca', '#a5f3fc', '#fde68a', '#cbd5e1'];
const CROSSING = '#b91c1c';
const [BOX_WIDTH, BOX_HEIGHT] = [138, 28];
const [COLUMN, ROW] = [150, 48];
const GAP = ROW - BOX_HEIGHT;
const MARGIN = 20;
const LEGEND_ROW = 20;
/** So many characters fit into a box. */
const NAME_LENGTH = 23;

interface Place {
  /** In columns, from the middle of the drawing. */
  x: number;
  row: number;
}

/**
 * A model that is cut, as an SVG from top to bottom: a box for each layer in the colour of its partition, with its class and cost; bold lines where a tensor crosses, with what it has
 * for one example; above it, what each partition comes to.
 */
export function graphDrawing({ partitions, nodes, edges }: ModelGraph): string {
  const places = placed(nodes);
  const columns = [...places.values()].map(({ x }) => x);
  const [least, most] = [Math.min(0, ...columns), Math.max(0, ...columns)];
  const width = Math.max(560, (most - least) * COLUMN + BOX_WIDTH + 2 * MARGIN);
  const top = MARGIN + (partitions.length + 1) * LEGEND_ROW;
  const height = top + (Math.max(-1, ...[...places.values()].map(({ row }) => row)) + 1) * ROW + MARGIN;
  const middle = (width - (most + least) * COLUMN) / 2;
  const at = ({ x, row }: Place) => ({ x: middle + x * COLUMN, y: top + row * ROW });

  const of = new Map(nodes.map((node) => [node.layer, node]));
  const all = partitions.reduce((sum, { costMs }) => sum + costMs, 0) || 1;
  const legend = partitions.map(({ partition, layers, parameters, costMs }, i) => {
    const share = `${costMs.toPrecision(3)} ms for 64 examples (${Math.round((100 * costMs) / all)} %)`;
    const says = `partition ${partition}: ${layers} layers, ${parameters.toLocaleString('en')} parameters, ${share}`;
    return [
      `<rect x="${MARGIN}" y="${MARGIN + i * LEGEND_ROW}" width="14" height="14" rx="3" fill="${colourOf(partition)}"/>`,
      text(MARGIN + 22, MARGIN + i * LEGEND_ROW + 11, says, 12, 'start'),
    ].join('');
  });
  const lines: string[] = [];
  const labels: string[] = [];
  const told = new Set<string>();
  for (const { layer, inputs, partition } of nodes)
    for (const input of inputs) {
      const source = of.get(input);
      if (!source) continue;
      const [from, to] = [at(places.get(input)!), at(places.get(layer)!)];
      const begin = from.y + BOX_HEIGHT;
      const crosses = source.partition !== partition;
      const look = crosses ? `stroke="${CROSSING}" stroke-width="2"` : 'stroke="#64748b"';
      const path = `M${n(from.x)} ${begin}V${to.y - GAP}C${n(from.x)} ${to.y} ${n(to.x)} ${to.y - GAP} ${n(to.x)} ${to.y}`;
      lines.push(`<path d="${path}" fill="none" ${look}/>`);
      const edge = edges.find((each) => each.layer === input && each.to === partition);
      const key = `${input} ${partition}`;
      if (!edge || told.has(key)) continue;
      told.add(key);
      labels.push(text((from.x + to.x) / 2, to.y - GAP / 2 + 4, bytes(edge.bytes), 10, 'middle', CROSSING));
    }
  const boxes = nodes.map(({ layer, className, costMs, partition }) => {
    const { x, y } = at(places.get(layer)!);
    return [
      `<g><title>${escape(layer)}, partition ${partition}</title>`,
      `<rect x="${n(x - BOX_WIDTH / 2)}" y="${y}" width="${BOX_WIDTH}" height="${BOX_HEIGHT}" rx="4" fill="${colourOf(partition)}" stroke="#475569" stroke-width="0.7"/>`,
      text(x, y + 12, shortened(layer), 10, 'middle'),
      text(x, y + 23, `${shortened(className)} ${Number(costMs.toPrecision(2))} ms`, 8, 'middle', '#475569'),
      '</g>',
    ].join('');
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${n(width)}" height="${height}" viewBox="0 0 ${n(width)} ${height}">`,
    '<rect width="100%" height="100%" fill="white"/>',
    ...legend,
    ...lines,
    ...boxes,
    // Legible where they lie on lines.
    '<g paint-order="stroke" stroke="white" stroke-width="3">',
    ...labels,
    '</g>',
    '</svg>\n',
  ].join('\n');
}

/** Each layer in the row below the last of those that it reads, and as near under their middle as the others of its row let it. */
function placed(nodes: readonly CutNode[]): Map<string, Place> {
  const rows: { layer: string; wish: number }[][] = [];
  const rowOf = new Map<string, number>();
  for (const { layer, inputs } of nodes) {
    const row = Math.max(0, ...inputs.map((input) => (rowOf.get(input) ?? -1) + 1));
    rowOf.set(layer, row);
    (rows[row] ??= []).push({ layer, wish: 0 });
  }
  const inputsOf = new Map(nodes.map(({ layer, inputs }) => [layer, inputs]));
  const places = new Map<string, Place>();
  rows.forEach((own, row) => {
    for (const each of own) {
      const above = inputsOf.get(each.layer)!.flatMap((input) => places.get(input)?.x ?? []);
      each.wish = above.reduce((sum, x) => sum + x, 0) / (above.length || 1);
    }
    own.sort((a, b) => a.wish - b.wish);
    apart(own.map(({ wish }) => wish)).forEach((x, i) => places.set(own[i]!.layer, { x, row }));
  });
  return places;
}

/** Places at least 1 apart, in their order, that are nearest to what was wished (isotonic regression: neighbours that are too near share the middle of their wishes). */
function apart(wishes: readonly number[]): number[] {
  const groups: { sum: number; count: number }[] = [];
  wishes.forEach((wish, i) => {
    groups.push({ sum: wish - i, count: 1 });
    for (;;) {
      const [before, last] = [groups.at(-2), groups.at(-1)!];
      if (!before || before.sum / before.count <= last.sum / last.count) break;
      groups.splice(-2, 2, { sum: before.sum + last.sum, count: before.count + last.count });
    }
  });
  return groups.flatMap(({ sum, count }) => new Array<number>(count).fill(sum / count)).map((x, i) => x + i);
}

const shortened = (name: string): string => (name.length > NAME_LENGTH ? `${name.slice(0, NAME_LENGTH - 1)}…` : name);
const colourOf = (partition: number): string => COLOURS[partition % COLOURS.length]!;
const n = (value: number): string => String(Math.round(10 * value) / 10);
const bytes = (count: number): string => (count < 1024 ? `${count} B` : `${Number((count / 1024).toPrecision(3))} KiB`);

function text(x: number, y: number, says: string, size: number, anchor: string, colour = '#0f172a'): string {
  return `<text x="${n(x)}" y="${n(y)}" text-anchor="${anchor}" font-family="system-ui, sans-serif" font-size="${size}" fill="${colour}">${escape(says)}</text>`;
}

/** Names of layers are the user's. */
function escape(says: string): string {
  return says.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
