/** What a request's path names. */
export interface Place {
  /** Of the kind, in the namespace or in all. */
  readonly collection: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

const pathForm =
  /^(\/apis?\/(?:[^/]+\/)?v[^/]+)(?:\/namespaces\/([^/]+))?\/([a-z]+)(?:\/([^/]+))?(?:\/([a-z]+))?$/;

export function placeOf(path: string): Place | undefined {
  const [, group, namespace, plural, name, subresource] = pathForm.exec(path) ?? [];
  if (group === undefined) return undefined;
  return { collection: `${group}/${plural}`, namespace, name, subresource };
}

export function prefixOf(place: Place): string {
  return `${place.collection}#${place.namespace === undefined ? "" : `${place.namespace}/`}`;
}

export function keyIn(place: Place): string {
  return prefixOf(place) + place.name;
}
