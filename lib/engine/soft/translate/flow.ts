/**
 * From a graph to WebAssembly's structured control flow: strongly connected components become loops, everything else
 * stands in topological order, so that forward branches leave blocks and backward ones go to loop heads. A loop that
 * is entered in several places starts with a table jump.
 *
 * Enters: nodes and entries. Leaves: a nesting of {@link Item}s. Read next: `generator.ts`, which walks it.
 *
 * @module
 */

/** A node, or a loop around a list of items. */
export type Item = number | Loop;

/** A strongly connected component. */
export interface Loop {
  /** Nodes by which it is entered, from outside or by a branch back. */
  readonly heads: readonly number[];
  readonly body: readonly Item[];
}

/** What {@link structure} needs to know of a graph. */
export interface Graph {
  readonly count: number;
  /** Successors of a node; -1 is no node. */
  successors(node: number): readonly number[];
  /** Nodes that are entered from outside. */
  readonly entries: readonly number[];
}

/** Nest a graph. */
export function structure(graph: Graph): Item[] {
  const nodes = Array.from({ length: graph.count }, (_, i) => i);
  return arrange(graph, nodes, new Set(), new Set(graph.entries));
}

/**
 * @param nodes the nodes to arrange
 * @param cut nodes whose incoming edges do not count: heads of the loops around
 * @param outside nodes that are entered from outside `nodes`
 */
function arrange(
  graph: Graph,
  nodes: readonly number[],
  cut: ReadonlySet<number>,
  outside: ReadonlySet<number>,
): Item[] {
  const member = new Set(nodes);
  const next = (node: number) => graph.successors(node).filter((s) => s >= 0 && member.has(s) && !cut.has(s));
  const components = connected(nodes, next); // in reverse topological order
  const items: Item[] = [];
  for (const component of components.reverse()) {
    const only = component[0]!;
    if (component.length === 1 && !next(only).includes(only)) {
      items.push(only);
      continue;
    }
    const inside = new Set(component);
    const heads = component.filter((node) =>
      outside.has(node) || nodes.some((from) => !inside.has(from) && next(from).includes(node))
    );
    if (heads.length === 0) heads.push(only); // not reachable at all
    heads.sort((a, b) => a - b);
    const body = arrange(graph, component, new Set([...cut, ...heads]), new Set(heads));
    items.push({ heads, body });
  }
  return items;
}

/** Tarjan's strongly connected components, each before those that lead to it. */
function connected(nodes: readonly number[], next: (node: number) => readonly number[]): number[][] {
  const index = new Map<number, number>(), low = new Map<number, number>();
  const stack: number[] = [], onStack = new Set<number>();
  const components: number[][] = [];
  const visit = (node: number) => {
    index.set(node, index.size);
    low.set(node, index.get(node)!);
    stack.push(node);
    onStack.add(node);
    for (const successor of next(node)) {
      if (!index.has(successor)) {
        visit(successor);
        low.set(node, Math.min(low.get(node)!, low.get(successor)!));
      } else if (onStack.has(successor)) low.set(node, Math.min(low.get(node)!, index.get(successor)!));
    }
    if (low.get(node) !== index.get(node)) return;
    const component: number[] = [];
    let member: number;
    do {
      member = stack.pop()!;
      onStack.delete(member);
      component.push(member);
    } while (member !== node);
    components.push(component);
  };
  for (const node of nodes) if (!index.has(node)) visit(node);
  return components;
}
