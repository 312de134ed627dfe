/** Which commit a checkout is of, and what it has besides; null where it is no checkout of git's. */
export interface SourceState {
  readonly commit: string;
  /** Files that are not as the commit has them, or that it does not have. */
  readonly changed: readonly string[];
}

export function sourceState(root: string): SourceState | null {
  const commit = git(root, "rev-parse", "HEAD");
  const status = git(root, "status", "--porcelain", "--untracked-files=all");
  if (commit === null || status === null) return null;
  const lines = status.split("\n").filter((line) => line !== "");
  return { commit: commit.trim(), changed: lines.map((line) => line.slice(3)) };
}

/** Why a release under this tag may not be made of the checkout, in a sentence; null where it may. */
export function tagProblem(tag: string, version: string, state: SourceState | null): string | null {
  if (tag !== `v${version}`) return `${tag} is not the tag of ${version}, which is v${version}.`;
  if (state === null) return "A release is made of a commit, and this is no checkout of git's.";
  const [first] = state.changed;
  if (first === undefined) return null;
  return `A release is made of a commit, and ${changesOf(state)}; the first is ${first}.`;
}

/** What the built files come from, in a sentence. */
export function describeSource(state: SourceState | null): string {
  if (state === null) return "Built of files without a commit, since this is no checkout of git's.";
  if (state.changed.length === 0) return `Built of commit ${shortCommit(state)}.`;
  return `Built of a checkout in which ${changesOf(state)}: no release, and nobody else can build it again.`;
}

const shortCommit = ({ commit }: SourceState) => commit.slice(0, 12);
const changesOf = (state: SourceState) => {
  const { length } = state.changed;
  return `${length} ${length === 1 ? "file is" : "files are"} not as ${shortCommit(state)} has them`;
};

function git(folder: string, ...words: readonly string[]): string | null {
  if (Bun.which("git") === null) return null;
  const { exitCode, stdout } = Bun.spawnSync(["git", ...words], { cwd: folder });
  return exitCode === 0 ? stdout.toString() : null;
}
