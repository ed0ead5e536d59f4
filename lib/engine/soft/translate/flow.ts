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
  if (nodes.length === 1 && (cut.has(nodes[0]!) || !graph.successors(nodes[0]!).includes(nodes[0]!))) {
    return [nodes[0]!];
  }
  const next: number[][] = new Array(graph.count);
  for (const node of nodes) next[node] = [];
  for (const node of nodes) {
    for (const s of graph.successors(node)) if (s >= 0 && next[s] !== undefined && !cut.has(s)) next[node]!.push(s);
  }
  const items: Item[] = [];
  for (const component of connected(nodes, next).reverse()) { // now in topological order
    const only = component[0]!;
    if (component.length === 1 && !next[only]!.includes(only)) items.push(only);
    else {
      const heads = headsOf(component, nodes, next, outside);
      items.push({ heads, body: arrange(graph, component, new Set([...cut, ...heads]), new Set(heads)) });
    }
  }
  return items;
}

/** Where a component is entered. */
function headsOf(
  component: readonly number[],
  nodes: readonly number[],
  next: readonly number[][],
  outside: ReadonlySet<number>,
): number[] {
  const inside = new Set(component);
  const heads = new Set(component.filter((node) => outside.has(node)));
  for (const from of nodes) {
    if (!inside.has(from)) { for (const to of next[from]!) if (inside.has(to)) heads.add(to); }
  }
  if (heads.size === 0) heads.add(component[0]!); // not reachable at all
  return [...heads].sort((a, b) => a - b);
}

/** Tarjan's strongly connected components, each before those that lead to it. */
function connected(nodes: readonly number[], next: readonly number[][]): number[][] {
  const index: number[] = [], low: number[] = [];
  const stack: number[] = [], onStack: boolean[] = [];
  const components: number[][] = [];
  let count = 0;
  const visit = (node: number) => {
    index[node] = low[node] = ++count;
    stack.push(node);
    onStack[node] = true;
    for (const successor of next[node]!) {
      if (index[successor] === undefined) {
        visit(successor);
        low[node] = Math.min(low[node]!, low[successor]!);
      } else if (onStack[successor]) low[node] = Math.min(low[node]!, index[successor]!);
    }
    if (low[node] !== index[node]) return;
    const component: number[] = [];
    let member: number;
    do {
      member = stack.pop()!;
      onStack[member] = false;
      component.push(member);
    } while (member !== node);
    components.push(component);
  };
  for (const node of nodes) if (index[node] === undefined) visit(node);
  return components;
}
