// The URL of a WebSocket, signed with nothing but a hash function, so that any client can use it.
import { createHash, createHmac, randomInt } from "node:crypto";

/** `base` is the server's http or https address; `more` what else the query has. */
export function presign(server, base, user, more = {}) {
  const { host, protocol } = new URL(base);
  const date = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const scope = [date.slice(0, 8), server.env.AWS_REGION, "chime", "aws4_request"];
  const query = Object.entries({
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": [server.env.AWS_ACCESS_KEY_ID, ...scope].join("/"),
    "X-Amz-Date": date,
    "X-Amz-Expires": "10",
    "X-Amz-SignedHeaders": "host",
    sessionId: String(randomInt(2 ** 32)),
    userArn: server.userArn(user),
    ...more,
  })
    .sort(([a], [b]) => (a < b ? -1 : 1)) // as the signature wants it
    .map((pair) => pair.map(encodeURIComponent).join("="))
    .join("&");
  const request = ["GET", "/connect", query, `host:${host}`, "", "host", hash("")].join("\n");
  const text = ["AWS4-HMAC-SHA256", date, scope.join("/"), hash(request)].join("\n");
  const key = scope.reduce(hmac, `AWS4${server.env.AWS_SECRET_ACCESS_KEY}`);
  return `${protocol.replace("http", "ws")}//${host}/connect?${query}&X-Amz-Signature=${hmac(key, text).toString("hex")}`;
}

const hash = (text) => createHash("sha256").update(text).digest("hex");
const hmac = (key, text) => createHmac("sha256", key).update(text).digest();
