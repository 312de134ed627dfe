/** What a demo is made of: steps that each say in one line what was done and what came of it. */
export class Story {
  #failed = 0;
  #steps = 0;

  /** Runs a step and prints its line; one that throws is shown as failed, and the story goes on. */
  async step(what: string, run: () => Promise<string>): Promise<void> {
    this.#steps += 1;
    try {
      console.log(`  ok    ${what}: ${await run()}`);
    } catch (error) {
      this.#failed += 1;
      console.log(`  FAIL  ${what}: ${error instanceof Error ? error.message : error}`);
    }
  }

  chapter(title: string): void {
    console.log(`\n${title}`);
  }

  /** Prints rows with their columns aligned. */
  table(rows: readonly (readonly string[])[]): void {
    const widths = (rows[0] ?? []).map((_, column) =>
      Math.max(...rows.map((row) => row[column]?.length ?? 0)),
    );
    for (const row of rows) {
      console.log(
        `        ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join("  ")}`.trimEnd(),
      );
    }
  }

  /** Prints the verdict; answers whether every step held. */
  end(): boolean {
    const verdict = this.#failed === 0 ? "all held" : `${this.#failed} FAILED`;
    console.log(`\n${this.#steps} steps, ${verdict}.`);
    return this.#failed === 0;
  }
}

/** Ends a step as failed unless what it promised is so. */
export function check(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}
