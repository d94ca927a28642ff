import type { Chat } from "../state/chat";
import type { Outgoing } from "../state/state";

/** A text that is not a message yet: on its way, waiting behind another, or failed. */
export function OutboxItem({ chat, arn, entry }: { chat: Chat; arn: string; entry: Outgoing }) {
  const failed = entry.state === "failed";
  return (
    <div className={`message own outgoing${failed ? " failed" : ""}`} data-testid="outbox-item" data-state={entry.state}>
      <div className="bubble-column">
        <p className="bubble">
          <span className="content">{entry.text}</span>
        </p>
        {failed && (
          <div className="send-error" role="alert" data-testid="error">
            <p>Not sent. {entry.error}</p>
            <button type="button" className="small primary" data-testid="retry" onClick={() => chat.retry(arn, entry.token)}>
              Retry
            </button>
            <button type="button" className="small" data-testid="take-back" onClick={() => chat.takeBack(arn, entry.token)}>
              Edit
            </button>
          </div>
        )}
        {entry.state === "waiting" && <small className="mark">waiting…</small>}
      </div>
    </div>
  );
}
