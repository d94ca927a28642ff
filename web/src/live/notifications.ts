// Push notifications of this browser. A browser has one subscription, which belongs to the person who used the
// page last; the server knows the browser by it.

/** What the server says of Web Push. */
export interface WebPush {
  resourceArn: string;
  applicationServerKey: string;
}

export class Notifications {
  constructor(
    private readonly web: WebPush,
    private readonly register: (deviceToken: string) => Promise<void>,
  ) {}

  /** The server and the browser, on this page, can. */
  static arePossible(web: WebPush | undefined): web is WebPush {
    return web !== undefined && "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
  }

  /** Whether the browser is subscribed already. It is registered again then: another person may have used it. */
  async resume(): Promise<boolean> {
    if (Notification.permission !== "granted") return false;
    const subscription = await (await this.worker()).pushManager.getSubscription();
    if (subscription === null || !this.isOurs(subscription)) return false;
    await this.register(JSON.stringify(subscription));
    return true;
  }

  /** Asks the person, which a browser allows after a click alone, and subscribes. */
  async enable(): Promise<void> {
    if ((await Notification.requestPermission()) !== "granted") {
      throw new Error("This browser does not allow notifications of this page; its settings for the site say so.");
    }
    const { pushManager } = await this.worker();
    const former = await pushManager.getSubscription();
    if (former !== null && !this.isOurs(former)) await former.unsubscribe();
    const { applicationServerKey } = this.web;
    const subscription = await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
    await this.register(JSON.stringify(subscription));
  }

  /** Calls open with the channel of each notification that is clicked. */
  onOpen(open: (channelArn: string) => void): () => void {
    const hear = (event: MessageEvent) => {
      if (typeof event.data?.open === "string") open(event.data.open);
    };
    navigator.serviceWorker.addEventListener("message", hear);
    return () => navigator.serviceWorker.removeEventListener("message", hear);
  }

  private async worker(): Promise<ServiceWorkerRegistration> {
    await navigator.serviceWorker.register(`${import.meta.env.BASE_URL}push.js`);
    return navigator.serviceWorker.ready;
  }

  /** A subscription with the key of another server, or of a data folder that is gone, is of no use. */
  private isOurs(subscription: PushSubscription): boolean {
    const key = subscription.options.applicationServerKey;
    return key !== null && base64url(key) === this.web.applicationServerKey;
  }
}

function base64url(bytes: ArrayBuffer): string {
  const text = btoa(String.fromCharCode(...new Uint8Array(bytes)));
  return text.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
