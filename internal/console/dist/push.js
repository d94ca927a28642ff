// The service worker of the chat page: it shows notifications while no window is open, and opens their channel.
// It keeps and fetches nothing.

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => event.waitUntil(show(event.data?.text() ?? "")));

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data.channel));
});

/** What the server pushes has the keys of Amazon Pinpoint, and a tag and badge beside them. */
async function show(text) {
  const { data = {}, tag, badge } = parse(text);
  const about = parse(data["pinpoint.jsonBody"]);
  const options = { body: data["pinpoint.notification.body"] ?? "", data: { channel: about["chime.channel_arn"] } };
  if (tag) Object.assign(options, { tag, renotify: true });
  await self.registration.showNotification(data["pinpoint.notification.title"] || "New message", options);
  if (badge !== undefined) await self.navigator.setAppBadge?.(badge).catch(() => {});
}

/** Goes to a window of the page that is there, or opens one. */
async function open(channel) {
  const id = channel?.split("/channel/")[1];
  const address = self.registration.scope + (id === undefined ? "" : `#${encodeURIComponent(id)}`);
  const windows = await self.clients.matchAll({ type: "window" });
  const page = windows.find((w) => w.url.startsWith(self.registration.scope));
  if (page === undefined) return self.clients.openWindow(address);
  page.postMessage({ open: channel });
  return page.focus();
}

function parse(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
