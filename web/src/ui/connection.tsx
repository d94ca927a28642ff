import type { State } from "../state/state";

const labels = {
  connecting: "Connecting…",
  live: "Live",
  reconnecting: "Reconnecting…",
  stopped: "Disconnected",
};

export function ConnectionBadge({ connection }: { connection: State["connection"] }) {
  return (
    <span
      className={`connection ${connection.state}`}
      role="status"
      data-testid="connection-state"
      data-state={connection.state}
    >
      <span className="dot" aria-hidden="true" />
      {labels[connection.state]}
    </span>
  );
}

/** Shown once the session has ended for good; only a new one helps. */
export function StoppedBanner({ reason, onReconnect }: { reason: string | undefined; onReconnect: () => void }) {
  return (
    <div className="banner" role="alert">
      <p>
        <strong>You are disconnected.</strong> {reason} New messages do not appear until you reconnect.
      </p>
      <button type="button" className="primary" data-testid="reconnect" onClick={onReconnect}>
        Reconnect
      </button>
    </div>
  );
}
