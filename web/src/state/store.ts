import { reduce } from "./reducer";
import type { Action, State } from "./state";

/** Holds the state and tells who listens; shaped for React's useSyncExternalStore. */
export class Store {
  private readonly listeners = new Set<() => void>();

  constructor(private state: State) {}

  get = (): State => this.state;

  dispatch = (action: Action): void => {
    const next = reduce(this.state, action);
    if (next === this.state) return;
    this.state = next;
    for (const listener of this.listeners) listener();
  };

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };
}
