/** At least as many rounds has every comparison. */
export const rounds = 4;

export interface Interleaved {
  readonly ours: readonly number[];
  readonly baseline: readonly number[];
}

/**
 * Measures rounds of ours and of the baseline in turns, so that both see the same machine: what slows it for
 * minutes slows both. Rates a second; without a baseline there are none of it.
 */
export async function interleave(
  unit: string,
  ours: () => Promise<number>,
  baseline: (() => Promise<number> | number) | null,
  say: (line: string) => void,
): Promise<Interleaved> {
  const rates: number[] = [];
  const baselineRates: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    rates.push(await ours());
    if (baseline !== null) baselineRates.push(await baseline());
    const beside = baseline === null ? "" : `, baseline ${Math.round(baselineRates.at(-1) ?? 0)}/s`;
    say(`round ${round}: ${Math.round(rates.at(-1) ?? 0)} ${unit}/s${beside}`);
  }
  return { ours: rates, baseline: baselineRates };
}
