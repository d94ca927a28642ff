// Bots on the page of the real program: what Lex's form says is text, and the answer of a model grows, also when
// the program is killed.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { after, afterEach, before, test } from "node:test";
import { Browser, chat, connection, message, write } from "./lib/browser.mjs";
import { Server } from "./lib/server.mjs";

// A model that says a word at once and the rest when it is let.
const waiting = [];
const model = createServer((request, response) => {
  request.resume();
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  const say = (content) => response.write(`data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`);
  say("It is ");
  waiting.push(() => {
    say("Tuesday.");
    response.end("data: [DONE]\n\n");
  });
});
model.listen(0, "127.0.0.1");
await once(model, "listening");

const alias = (name) => `arn:aws:lex:us-east-1:000000000000:bot-alias/${name}/${name}`;
const bots = `*:bot-alias/ASSISTANT0/* openai+http://127.0.0.1:${model.address().port}/v1 model=small,*:bot-alias/ECHOBOT000/* echo`;
const server = new Server({ bots });
const browser = new Browser();
let alice;

before(async () => {
  await Promise.all([server.start(), browser.start()]);
  alice = await chat(browser, server.http, "alice");
});
after(async () => {
  await browser.stop();
  await server.stop();
  model.closeAllConnections();
  model.close();
});
afterEach(() => browser.assertQuiet());

/** Makes a bot a member of General, until it is told to leave. */
async function host(name, botAlias, welcome, StandardMessages = "ALL") {
  const Lex = {
    LexBotAliasArn: alias(botAlias), LocaleId: "en_US", WelcomeIntent: welcome,
    InvokedBy: { StandardMessages, TargetedMessages: "NONE" },
  };
  const { AppInstanceBotArn } = await server.identity().createAppInstanceBot({ AppInstanceArn: server.appArn, Name: name, Configuration: { Lex } });
  const at = { ChannelArn: server.generalArn, MemberArn: AppInstanceBotArn, ChimeBearer: server.userArn("alice") };
  await server.messaging().createChannelMembership({ ...at, Type: "DEFAULT" });
  return () => server.messaging().deleteChannelMembership(at);
}

test("a bot greets and answers, in words", async () => {
  const leave = await host("Echo", "ECHOBOT000", "Welcome");
  await message(alice, "Hello! I say what you say to me.").waitFor();
  await write(alice, "one two");
  await message(alice, "You said: one two").waitFor();
  await leave();
});

test("a bot that answers mentions is picked behind an @", async () => {
  const leave = await host("Echo Two", "ECHOBOT000", "Welcome", "MENTIONS");
  await message(alice, "Hello! I say what you say to me.").nth(1).waitFor();
  await write(alice, "nobody is asked");
  await message(alice, "nobody is asked").waitFor();
  const composer = alice.getByTestId("composer");
  await composer.pressSequentially("are you there, @tw");
  await alice.getByTestId("mention").getByText("Echo Two").waitFor();
  await alice.keyboard.press("Enter");
  await alice.getByTestId("mentions").waitFor({ state: "detached" });
  assert.equal(await composer.inputValue(), "are you there, @Echo Two ");
  await alice.keyboard.press("Enter");
  await message(alice, "You said: are you there, @Echo Two").waitFor();
  assert.equal(await message(alice, "You said: nobody is asked").count(), 0); // it would have been answered before
  await leave();
});

test("a model's answer grows in one message, and is finished after the program was killed", async () => {
  const leave = await host("Assistant", "ASSISTANT0");
  await write(alice, "Which day is it?");
  const answer = message(alice, "It is");
  await answer.getByText("is writing…").waitFor();
  assert.equal(waiting.length, 1);

  await server.kill();
  await connection(alice, "reconnecting");
  await server.start();
  await connection(alice, "live");
  while (waiting.length < 2) await new Promise((resolve) => setImmediate(resolve));
  waiting[1]();
  await message(alice, "It is Tuesday.").waitFor();
  await answer.getByText("is writing…").waitFor({ state: "detached" });
  assert.equal(await message(alice, "It is").count(), 1);
  assert.equal(await answer.getByTestId("message-edited").count(), 0);
  await leave();
});
