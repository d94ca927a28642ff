// A message that the processor of a channel flow denies, as the published SDK receives it: its sender
// alone is told (spec 4.4 to 4.6). The server is e2e/denier, the program with flows that deny without a
// processor.
import { test } from "node:test";
import { Audience } from "./lib/audience.mjs";
import { processors, Rooms, usual } from "./lib/rooms.mjs";
import { Server } from "./lib/server.mjs";
import { stage } from "./lib/stage.mjs";

const server = new Server({}, undefined, "denier");
let audience, rooms;

const open = stage(server, {
  ready: async () => {
    audience = new Audience(server, await open(), [...usual, "mo", "ada"]);
    await audience.assemble();
    rooms = new Rooms(server, audience);
    await server.identity().createAppInstanceAdmin({ AppInstanceAdminArn: server.userArn("ada"), AppInstanceArn: server.appArn });
  },
});

test("the sender alone is told that a message, or an edit, was denied", async () => {
  const client = server.messaging();
  const room = await rooms.usual("denials");
  const full = { Metadata: "{}", ContentType: "text/plain", MessageAttributes: { mention: { StringValues: ["Ann"] } } };
  const before = await room.send("bob", "before the flow", full);
  const { ChannelFlowArn } = await client.createChannelFlow({ AppInstanceArn: server.appArn, Name: "flow", Processors: processors("ABORT") });
  await client.associateChannelFlow(room.as("ann", { ChannelFlowArn }));
  await audience.heard();

  const denied = { Value: "DENIED", Detail: "the processor of the channel flow denied it" };
  const stages = (verb, payload) => [
    { to: ["bob"], as: "STANDARD", type: `PENDING_${verb}_CHANNEL_MESSAGE`, payload: { ...payload, Status: { Value: "PENDING" } } },
    { to: ["bob"], as: "STANDARD", type: `DENIED_${verb}_CHANNEL_MESSAGE`, payload: { ...payload, Status: denied } },
  ];
  const send = (more) => () => room.send("bob", "as it was sent", { ...full, ...more });
  const asSent = (m, more) => room.message(m, "bob", { Content: "as it was sent", ...full, ...more });
  await audience.tells(send(), (m) => stages("CREATE", asSent(m)));
  const live = { Persistence: "NON_PERSISTENT" };
  await audience.tells(send(live), (m) => stages("CREATE", asSent(m, live)));
  const Target = [{ MemberArn: server.userArn("dan") }];
  await audience.tells(send({ Target }), (m) => stages("CREATE", asSent(m, { Target })));

  const edit = { Content: "as it was edited", Metadata: '{"n":2}' };
  await audience.tells(
    () => client.updateChannelMessage(room.as("bob", { MessageId: before.MessageId, ...edit })),
    () => stages("UPDATE", room.message(before, "bob", { ...full, ...edit, LastUpdatedTimestamp: "T1", LastEditedTimestamp: "T1" })),
  );
});
