// Sends requests with the AWS SDKs for JavaScript and amazon-chime-sdk-js to
// the stub: node capture_js.mjs ENDPOINT NODE_MODULES
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';

const [endpoint, modules] = process.argv.slice(2);
const require = createRequire(modules + '/');
const { hostname, port, host } = new URL(endpoint);

const app = 'arn:aws:chime:us-east-1:000000000000:app-instance/0b1c2d3e-0000-4000-8000-000000000001';
const user = app + '/user/us-east-1:alice@example.com';
const channel = app + '/channel/room_1';
const keys = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const temporary = { ...keys, sessionToken: 'FwoGZXIvYXdzEXAMPLE//token+with/reserved=chars==' };

const raw = (method, path) =>
  new Promise((resolve) => {
    http.request({ hostname, port, method, path, agent: false }, (answer) => answer.resume().on('end', resolve)).end();
  });
const named = (label) =>
  new Promise((resolve) => {
    const socket = net.connect(Number(port), hostname, () => socket.write(`X /${label} HTTP/1.1\r\n\r\n`));
    socket.resume().on('close', resolve);
  });

async function run(label, call) {
  await named(label);
  try {
    await call();
  } catch (err) { // the stub's answer is empty: only the request matters
    console.error(label, err.name);
  }
}

const v3 = require('@aws-sdk/client-chime-sdk-messaging');
const identity3 = require('@aws-sdk/client-chime-sdk-identity');
const v2 = require('aws-sdk');
const settings = { endpoint, region: 'us-east-1' };
const message = { ChannelArn: channel, Content: 'hé\t  <llo> +%20', Type: 'STANDARD', Persistence: 'PERSISTENT', ClientRequestToken: 'token-1', ChimeBearer: user };
const list = { ChannelArn: channel, ChimeBearer: user, NextToken: "a+b/c==~*'( )", MaxResults: 5, SortOrder: 'DESCENDING' };

const js3 = new v3.ChimeSDKMessaging({ ...settings, credentials: temporary });
await run('js3-send-message', () => js3.sendChannelMessage(message));
await run('js3-list-messages', () => js3.listChannelMessages(list));
await run('js3-identity-create-user', () =>
  new identity3.ChimeSDKIdentity({ ...settings, credentials: keys }).createAppInstanceUser({
    AppInstanceArn: app, AppInstanceUserId: 'us-east-1:bob', Name: 'Bob', ClientRequestToken: 'token-2' }));

const js2 = new v2.ChimeSDKMessaging({ ...settings, credentials: new v2.Credentials(temporary), maxRetries: 0 });
await run('js2-send-message', () => js2.sendChannelMessage(message).promise());
await run('js2-list-messages', () => js2.listChannelMessages(list).promise());

// The socket URL of the unmodified package, opened here as a plain GET.
globalThis.window ??= globalThis;
const { default: DefaultSigV4 } = require('amazon-chime-sdk-js/build/sigv4/DefaultSigV4.js');
const connect = (sessionId) => async () => {
  const query = new Map([['sessionId', [sessionId]], ['userArn', [user]], ['prefetch-on', ['connect']]]);
  const url = new URL(await new DefaultSigV4(js3).signURL('GET', 'wss', 'chime', host, '/connect', '', query));
  await raw('GET', url.pathname + url.search);
};
await run('chime-js-connect', connect('4711'));
// encodeURIComponent leaves these bare, and so they are signed.
await run('chime-js-connect-bare', connect('all (me)~*!'));
