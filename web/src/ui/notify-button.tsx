import { useEffect, useState } from "react";
import type { Notifications } from "../live/notifications";
import type { Chat } from "../state/chat";
import { InlineError } from "./notice";
import { useTask } from "./use-task";

/** Turns push notifications of this browser on. */
export function NotifyButton({ chat, notifications }: { chat: Chat; notifications: Notifications }) {
  const [on, setOn] = useState(false);
  const { busy, error, run } = useTask();

  useEffect(() => {
    notifications.resume().then(setOn, () => setOn(false));
    return notifications.onOpen((channelArn) => chat.select(channelArn));
  }, [chat, notifications]);

  const enable = async () => setOn(await run(() => notifications.enable()));
  return (
    <>
      <InlineError text={error} />
      <button type="button" className="quiet" data-testid="notify" data-state={on ? "on" : "off"} disabled={busy || on} onClick={() => void enable()}>
        {on ? "Notifications on" : "Notify me"}
      </button>
    </>
  );
}
