// What becomes of messages in a channel flow, as the published SDK receives it: while they wait, and when they are
// denied, their sender alone is told (spec 4.4 to 4.6, 7.5). The processor calls back with AWS's client.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Audience } from "./lib/audience.mjs";
import { Processor } from "./lib/processor.mjs";
import { processors, Rooms, usual } from "./lib/rooms.mjs";
import { Server } from "./lib/server.mjs";
import { stage } from "./lib/stage.mjs";

const processor = await new Processor().start();
const server = new Server({ functions: `arn:aws:lambda:*:function:p ${processor.url}` });
let audience, client, rooms;

const open = stage(server, {
  ready: async () => {
    client = server.messaging();
    audience = new Audience(server, await open(), [...usual, "mo", "ada"]);
    await audience.assemble();
    rooms = new Rooms(server, audience);
    await server.identity().createAppInstanceAdmin({ AppInstanceAdminArn: server.userArn("ada"), AppInstanceArn: server.appArn });
  },
});
after(() => processor.stop());

const full = { Metadata: "{}", ContentType: "text/plain", MessageAttributes: { mention: { StringValues: ["Ann"] } } };
const denied = { Value: "DENIED", Detail: "a processor of the channel flow denied the message" };
const live = { Persistence: "NON_PERSISTENT" };

/** Calls back for an event, with a decision. */
const callBack = ({ CallbackId, ChannelMessage: { ChannelArn, MessageId } }, { DeleteResource, ...ChannelMessage } = {}) =>
  client.channelFlowCallback({ CallbackId, ChannelArn, DeleteResource, ChannelMessage: { MessageId, ...ChannelMessage } });

/** Does something that the processor is asked about, and has it decide. */
const decided = (act, decision) => async () => {
  const answer = await act();
  assert.deepEqual(answer.Status, { Value: "PENDING" });
  await callBack(await processor.next(), decision);
  return answer;
};

/** A usual room with a flow, and a message from before it. */
async function room(name) {
  const room = await rooms.usual(name);
  const before = await room.send("bob", "before the flow", full);
  const { ChannelFlowArn } = await client.createChannelFlow({ AppInstanceArn: server.appArn, Name: "flow", Processors: processors("ABORT") });
  await client.associateChannelFlow(room.as("ann", { ChannelFlowArn }));
  await audience.heard();
  return { room, before };
}

const sender = { to: ["bob"], as: "STANDARD" };
const pending = (verb, payload) => ({ ...sender, type: `PENDING_${verb}_CHANNEL_MESSAGE`, payload: { ...payload, Status: { Value: "PENDING" } } });
const times = { LastUpdatedTimestamp: "T1", LastEditedTimestamp: "T1" };
const forDan = () => ({ Target: [{ MemberArn: server.userArn("dan") }] });

test("a message that the processor changed, or let pass, is sent to all; until then its sender alone is told", async () => {
  const { room: r, before } = await room("passes");
  const changed = { Content: "masked", Metadata: '{"by":"p"}', ContentType: "text/markdown", MessageAttributes: { masked: { StringValues: ["yes"] } } };
  for (const [decision, result] of [[{}, {}], [changed, changed], [{ Content: "masked" }, { Content: "masked" }]]) {
    for (const [more, to] of [[{}, usual], [live, usual], [forDan(), ["bob", "dan"]]]) {
      await audience.tells(decided(() => r.send("bob", "as it was sent", { ...full, ...more }), decision), (m) => {
        const sent = r.message(m, "bob", { Content: "as it was sent", ...full, ...more });
        return [pending("CREATE", sent), { to, as: "STANDARD", type: "CREATE_CHANNEL_MESSAGE", payload: { ...sent, ...result } }];
      });
    }
  }

  const edit = { Content: "as it was edited", Metadata: '{"n":2}' };
  await audience.tells(
    decided(() => client.updateChannelMessage(r.as("bob", { MessageId: before.MessageId, ...edit })), { Content: "masked" }),
    () => {
      const edited = r.message(before, "bob", { ...full, ...edit, ...times });
      return [pending("UPDATE", edited), { to: usual, as: "STANDARD", type: "UPDATE_CHANNEL_MESSAGE", payload: { ...edited, Content: "masked" } }];
    },
  );
});

test("the sender alone is told that a message, or an edit, was denied", async () => {
  const { room: r, before } = await room("denials");
  const denial = (verb, payload) => [
    pending(verb, payload), { ...sender, type: `DENIED_${verb}_CHANNEL_MESSAGE`, payload: { ...payload, Status: denied } },
  ];
  for (const more of [{}, live, forDan()]) {
    await audience.tells(decided(() => r.send("bob", "as it was sent", { ...full, ...more }), { DeleteResource: true }), (m) =>
      denial("CREATE", r.message(m, "bob", { Content: "as it was sent", ...full, ...more })));
  }
  const edit = { Content: "as it was edited", Metadata: '{"n":2}' };
  await audience.tells(
    decided(() => client.updateChannelMessage(r.as("bob", { MessageId: before.MessageId, ...edit })), { DeleteResource: true }),
    () => denial("UPDATE", r.message(before, "bob", { ...full, ...edit, ...times })),
  );
  const { ChannelMessages } = await client.listChannelMessages(r.as("bob"));
  assert.deepEqual(ChannelMessages.map((m) => [m.Content, m.Status.Value]), [["before the flow", "SENT"]]);
});

test("a message that its sender takes back while it waits, and one whose channel goes, has no outcome", async () => {
  const { room: r } = await room("gone");
  const message = (m, more) => r.message(m, "bob", { Content: "psst", ...more });
  let event;
  await audience.tells(
    async () => {
      const sent = await r.send("bob", "psst");
      event = await processor.next();
      await client.deleteChannelMessage(r.as("ada", { MessageId: sent.MessageId }));
      await callBack(event);
      return sent;
    },
    (m) => {
      const { Content, ...bare } = message(m, { LastUpdatedTimestamp: "T1", Status: { Value: "PENDING" } });
      return [pending("CREATE", message(m)), { ...sender, type: "DELETE_CHANNEL_MESSAGE", payload: bare }];
    },
  );
  await r.send("bob", "psst");
  event = await processor.next();
  await client.deleteChannel(r.as("ann"));
  await audience.heard();
  await audience.tells(() => assert.rejects(callBack(event), { name: "ForbiddenException" }), () => []);
});
