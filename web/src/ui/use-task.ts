import { useState } from "react";
import { describeError } from "../api/errors";

/** One call that a form or button waits for: whether it runs, and how it failed. */
export function useTask(): {
  busy: boolean;
  error: string | undefined;
  run: (task: () => Promise<unknown>) => Promise<boolean>;
} {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();

  const run = async (task: () => Promise<unknown>): Promise<boolean> => {
    setBusy(true);
    setError(undefined);
    try {
      await task();
      return true;
    } catch (failure) {
      setError(describeError(failure));
      return false;
    } finally {
      setBusy(false);
    }
  };

  return { busy, error, run };
}
