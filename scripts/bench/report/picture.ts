import type { BenchCurves } from "../result.ts";

const width = 860;
const height = 330;
const plot = { top: 46, height: 220, width: 320 };

interface Axis {
  readonly label: string;
  readonly least: number;
  readonly most: number;
  readonly isLogarithmic?: true;
  readonly ticks: readonly number[];
}

interface Line {
  readonly name: string;
  readonly color: string;
  readonly points: readonly (readonly [number, number])[];
}

/** The picture of docs/benchmarks.md: throughput against concurrency, and latency against load. */
export function drawCurves({ throughput, latency }: BenchCurves): string {
  const callers = throughput.map((one) => one.connections);
  const rates = latency.map((one) => one.perSecond);
  const slowest = Math.max(1, ...latency.map((one) => one.p99Ms));
  const decades = [1, 10, 100, 1_000, 10_000, 100_000].filter((one) => one <= slowest * 10);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 ${width} ${height}" ` +
      `font-family="sans-serif" font-size="12">`,
    "<title>Payments: throughput by connections, and latency by load</title>",
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    chart(
      70,
      "Throughput: payments a second by connections",
      axis("connections", callers, true),
      upTo("payments/s", Math.max(...throughput.map((one) => one.perSecond))),
      [
        {
          name: "closed loop",
          color: "#1f5fa8",
          points: throughput.map((one) => [one.connections, one.perSecond]),
        },
      ],
    ),
    chart(
      490,
      "Latency: milliseconds by payments a second",
      { ...axis("payments/s", rates), least: 0 },
      { label: "ms", least: 1, most: decades.at(-1) ?? 10, isLogarithmic: true, ticks: decades },
      [
        { name: "p50", color: "#1f5fa8", points: latency.map((one) => [one.perSecond, one.p50Ms]) },
        { name: "p99", color: "#b8431f", points: latency.map((one) => [one.perSecond, one.p99Ms]) },
      ],
    ),
    "</svg>\n",
  ].join("\n");
}

function axis(label: string, values: readonly number[], isLogarithmic?: true): Axis {
  const ends = { least: Math.min(...values), most: Math.max(...values) };
  return { label, ...ends, ticks: values, ...(isLogarithmic === undefined ? {} : { isLogarithmic }) };
}

/** From nothing to a round number above the most, in four steps. */
function upTo(label: string, most: number): Axis {
  const step = 10 ** Math.floor(Math.log10(most / 4));
  const each = Math.ceil(most / 4 / step) * step;
  return { label, least: 0, most: each * 4, ticks: [0, 1, 2, 3, 4].map((part) => part * each) };
}

function chart(left: number, title: string, x: Axis, y: Axis, lines: readonly Line[]): string {
  const bottom = plot.top + plot.height;
  const atX = (value: number) => left + place(x, value) * plot.width;
  const atY = (value: number) => bottom - place(y, value) * plot.height;
  const text = (at: readonly [number, number], anchor: string, said: string, fill = "#333333") =>
    `<text x="${at[0].toFixed(1)}" y="${at[1].toFixed(1)}" text-anchor="${anchor}" fill="${fill}">` +
    `${said}</text>`;
  const grid = y.ticks.flatMap((tick) => [
    `<path d="M${left} ${atY(tick).toFixed(1)}h${plot.width}" stroke="#dddddd"/>`,
    text([left - 6, atY(tick) + 4], "end", tick.toLocaleString("en")),
  ]);
  const marks = x.ticks.map((tick) => text([atX(tick), bottom + 18], "middle", tick.toLocaleString("en")));
  const drawn = lines.flatMap(({ name, color, points }, index) => {
    const places = points.map(([one, other]) => [atX(one), atY(other)] as const);
    const path = places.map(([one, other]) => `${one.toFixed(1)},${other.toFixed(1)}`).join(" ");
    return [
      `<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2"/>`,
      ...places.map(
        ([one, other]) => `<circle cx="${one.toFixed(1)}" cy="${other.toFixed(1)}" r="3" fill="${color}"/>`,
      ),
      text([left + 8, plot.top + 14 + index * 16], "start", name, color),
    ];
  });
  return [
    text([left, plot.top - 18], "start", title, "#111111"),
    ...grid,
    ...marks,
    text([left + plot.width, bottom + 38], "end", x.label),
    ...drawn,
  ].join("\n");
}

/** Where on its axis a value lies, 0 to 1. */
function place({ least, most, isLogarithmic }: Axis, value: number): number {
  if (isLogarithmic !== true) return (value - least) / (most - least || 1);
  return Math.log(Math.max(value, least) / least) / Math.log(most / least || 2);
}
