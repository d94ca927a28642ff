// The URL of a WebSocket, signed with nothing but a hash function, so that any client can use it.
import { createHash, createHmac, randomInt } from "node:crypto";

/** `base` is the server's http or https address; `session` the name of the connection. */
export function presign(server, base, user, session = randomInt(2 ** 32)) {
  const { host, protocol } = new URL(base);
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = [date.slice(0, 8), server.env.AWS_REGION, "chime", "aws4_request"];
  const query = Object.entries({
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": [server.env.AWS_ACCESS_KEY_ID, ...scope].join("/"),
    "X-Amz-Date": date,
    "X-Amz-Expires": "10",
    "X-Amz-SignedHeaders": "host",
    sessionId: String(session),
    userArn: server.userArn(user),
  })
    .map((pair) => pair.map(encodeURIComponent).join("="))
    .join("&"); // in the order that the signature wants
  const request = ["GET", "/connect", query, `host:${host}`, "", "host", hash("")].join("\n");
  const text = ["AWS4-HMAC-SHA256", date, scope.join("/"), hash(request)].join("\n");
  const key = scope.reduce(hmac, `AWS4${server.env.AWS_SECRET_ACCESS_KEY}`);
  return `${protocol.replace("http", "ws")}//${host}/connect?${query}&X-Amz-Signature=${hmac(key, text).toString("hex")}`;
}

const hash = (text) => createHash("sha256").update(text).digest("hex");
const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
