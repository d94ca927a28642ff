import { useEffect, useRef } from "react";
import { idOf } from "../model/convert";
import type { Chat } from "../state/chat";
import type { State } from "../state/state";

/**
 * Keeps the open channel in the address (its id after the #), so that reload
 * and Back do what a person expects. The store leads; the address is followed
 * once the channels are known and whenever the person goes back or forward.
 */
export function useRoute(chat: Chat, state: State): void {
  const loaded = state.mine.loading === "done";
  const shown = useRef(state.selected);

  useEffect(() => {
    if (!loaded) return;
    const follow = () => {
      const id = decodeURIComponent(location.hash.slice(1));
      const channels = Object.values(chat.store.get().mine.channels);
      const arn = channels.find((c) => idOf(c.arn) === id)?.arn;
      shown.current = arn;
      chat.select(arn);
    };
    follow();
    window.addEventListener("popstate", follow);
    return () => window.removeEventListener("popstate", follow);
  }, [chat, loaded]);

  useEffect(() => {
    if (shown.current === state.selected) return;
    shown.current = state.selected;
    const hash = state.selected === undefined ? "" : `#${encodeURIComponent(idOf(state.selected))}`;
    history.pushState(null, "", location.pathname + location.search + hash);
  }, [state.selected]);
}
