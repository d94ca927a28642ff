// Push notifications of browsers: the page subscribes, the server encrypts, and the service worker shows them. The
// push service is one of the test, so what comes between is Chromium's own debugging interface.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { Browser, chat, message, write } from "./lib/browser.mjs";
import { PushService } from "./lib/push-service.mjs";
import { eventually, Server } from "./lib/server.mjs";

const application = "arn:aws:mobiletargeting:us-east-1:000000000000:apps/carillon-web";
const server = new Server({ push: "web arn:aws:mobiletargeting:*:apps/carillon-web webpush services=127.0.0.1" });
const browser = new Browser();
const service = new PushService();
let alice;

before(async () => {
  await Promise.all([server.start(), browser.start(), service.start()]);
  alice = await chat(browser, server.http, "alice");
});
after(async () => {
  service.stop();
  await browser.stop();
  await server.stop();
});
afterEach(() => browser.assertQuiet());

async function register(user, subscription) {
  const { EndpointId } = await server.identity().registerAppInstanceUserEndpoint({
    AppInstanceUserArn: server.userArn(user), Type: "GCM", ResourceArn: application,
    EndpointAttributes: { DeviceToken: JSON.stringify(subscription) }, AllowMessages: "ALL",
  });
  return EndpointId;
}

async function state(user, EndpointId) {
  const input = { AppInstanceUserArn: server.userArn(user), EndpointId };
  const { AppInstanceUserEndpoint } = await server.identity().describeAppInstanceUserEndpoint(input);
  return AppInstanceUserEndpoint.EndpointState;
}

test("a library of others opens what is pushed, and a subscription that has ended is INACTIVE", async () => {
  const subscription = service.subscribe();
  const id = await register("bob", subscription);
  await write(alice, "Good morning, Bob");
  const { headers, text, key } = await service.next();
  const { Applications } = await (await fetch(`${server.http}/_carillon/webpush`)).json();
  assert.equal(key, Applications[0].ApplicationServerKey);
  assert.equal(headers["content-encoding"], "aes128gcm");
  assert.equal(headers.urgency, "normal");
  assert.ok(Number(headers.ttl) > 0 && headers.topic.length === 32);
  const { data, tag, badge } = JSON.parse(text);
  assert.equal(data["pinpoint.notification.title"], "Alice");
  assert.equal(data["pinpoint.notification.body"], "Good morning, Bob");
  assert.equal(JSON.parse(data["pinpoint.jsonBody"])["chime.channel_arn"], server.generalArn);
  assert.equal(tag, headers.topic);
  assert.equal(badge, 1);

  service.forget(subscription);
  await write(alice, "Are you there?");
  await eventually("the endpoint is INACTIVE", async () => (await state("bob", id)).Status === "INACTIVE");
  assert.equal((await state("bob", id)).StatusReason, "INVALID_DEVICE_TOKEN");
});

test("a member that wants to be told of mentions alone is told of those of the page", async () => {
  const id = await register("bob", service.subscribe());
  const at = { ChannelArn: server.generalArn, MemberArn: server.userArn("bob"), ChimeBearer: server.userArn("bob") };
  const want = (PushNotifications) => server.messaging().putChannelMembershipPreferences({ ...at, Preferences: { PushNotifications } });
  await want({ AllowNotifications: "FILTERED", FilterRule: JSON.stringify({ "CHIME.mentions": [at.MemberArn] }) });
  await write(alice, "for all");
  await message(alice, "for all").waitFor();
  const composer = alice.getByTestId("composer");
  await composer.pressSequentially("for you, @bo");
  await alice.getByTestId("mention").getByText("Bob").click();
  assert.equal(await composer.inputValue(), "for you, @Bob ");
  await composer.pressSequentially("alone");
  await alice.keyboard.press("Enter");
  const { text } = await service.next(); // in the order of the messages
  assert.equal(JSON.parse(text).data["pinpoint.notification.body"], "for you, @Bob alone");
  await want({ AllowNotifications: "ALL" });
  await server.identity().deregisterAppInstanceUserEndpoint({ AppInstanceUserArn: at.MemberArn, EndpointId: id });
});

test("bob turns notifications on with a click, is shown one, and a click on it opens its channel", async () => {
  const subscription = service.subscribe();
  const bob = await browser.page([new URL(server.http).host], { permissions: ["notifications"] });
  // Chromium would ask its vendor's push service; the subscription is the test's.
  await bob.addInitScript((given) => {
    PushManager.prototype.subscribe = async ({ applicationServerKey }) => ({ toJSON: () => given, key: (window.asked = applicationServerKey) });
  }, subscription);
  await bob.goto(`${server.http}/chat/?user=bob`);
  await bob.getByTestId("notify").click();
  await bob.locator("[data-testid=notify][data-state=on]").waitFor();
  await write(alice, "Lunch?");
  const { text, key } = await service.next();
  assert.equal(await bob.evaluate(() => window.asked), key);

  // The browser hands the service worker what the push service has for it, once the worker is activated: before, its
  // debugging interface drops it, and it may do so for a moment after, so it is handed over again. The tag makes it one.
  const devtools = await bob.context().newCDPSession(bob);
  const activated = new Promise((resolve) =>
    devtools.on("ServiceWorker.workerVersionUpdated", ({ versions }) => {
      const version = versions.find(({ status }) => status === "activated");
      if (version !== undefined) resolve(version.registrationId);
    }),
  );
  await devtools.send("ServiceWorker.enable");
  const registrationId = await activated;
  const handOver = () => devtools.send("ServiceWorker.deliverPushMessage", { origin: server.http, registrationId, data: text });
  const notifications = () =>
    bob.evaluate(async () => {
      const worker = await navigator.serviceWorker.ready;
      return (await worker.getNotifications()).map(({ title, body, tag, data }) => ({ title, body, tag, data }));
    });
  let handedOver = 0;
  const shown = await eventually("the notification is shown", async () => {
    const list = await notifications();
    if (list.length > 0) return list;
    if (Date.now() > handedOver + 2000) {
      handedOver = Date.now();
      await handOver();
    }
    return false;
  });
  assert.deepEqual(shown, [{ title: "Alice", body: "Lunch?", tag: JSON.parse(text).tag, data: { channel: server.generalArn } }]);

  // A person clicks: no interface does, so the worker is told that one did.
  const worker = bob.context().serviceWorkers()[0];
  await worker.evaluate(async () => {
    const [notification] = await self.registration.getNotifications();
    self.dispatchEvent(new NotificationEvent("notificationclick", { notification }));
  });
  await bob.getByTestId("channel-title").getByText("General").waitFor();
  assert.deepEqual(await eventually("the notification is closed", async () => (await notifications()).length === 0), true);
});
