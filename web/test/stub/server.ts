import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join } from "node:path";
import { WebSocketServer, type WebSocket } from "ws";
import { answer, operationOf, Refusal } from "./operations";
import { appInstanceArn, World } from "./world";

const dist = join(import.meta.dirname, "../../../internal/console/dist");
const contentTypes: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

/** Stands in for carillon in the page's own tests: same addresses, same shapes, no signatures checked. */
export class StubServer {
  readonly world = new World();
  readonly calls: string[] = [];
  devMode = true;
  pageSize = 50;
  /** Close code that meets whoever connects, instead of SESSION_ESTABLISHED. */
  refuseWith: number | undefined;
  credentialLifeMs = 3_600_000;

  private server: Server | undefined;
  private readonly sockets = new Map<WebSocket, string>();
  private readonly refusals = new Map<string, Refusal>();
  private port = 0;

  get origin(): string {
    return `http://localhost:${this.port}`;
  }

  /** Starts, or starts again on the same port with the same data. */
  async start(): Promise<void> {
    const server = createServer((request, response) => void this.handle(request, response));
    const upgrades = new WebSocketServer({ server, path: "/connect" });
    upgrades.on("connection", (socket, request) => this.welcome(socket, request));
    await new Promise<void>((resolve) => server.listen(this.port, "localhost", resolve));
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  /** Gone as after a kill: sockets cut, connections refused. */
  async stop(): Promise<void> {
    for (const socket of this.sockets.keys()) socket.terminate();
    const { server } = this;
    if (server === undefined) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  /** Lets the next calls of an operation fail until `allow`. */
  refuse(operation: string, status: number, type: string, message: string): void {
    this.refusals.set(operation, new Refusal(status, type, message));
  }

  allow(operation: string): void {
    this.refusals.delete(operation);
  }

  closeSockets(code: number): void {
    for (const socket of this.sockets.keys()) socket.close(code);
  }

  emit = (users: Iterable<string>, type: string, payload: object, messageType = "SYSTEM"): void => {
    const wanted = new Set(users);
    for (const [socket, user] of this.sockets) {
      if (wanted.has(user)) socket.send(frame(type, messageType, payload));
    }
  };

  private welcome(socket: WebSocket, request: IncomingMessage): void {
    const query = new URL(request.url ?? "", this.origin).searchParams;
    if (this.refuseWith !== undefined) return socket.close(this.refuseWith, "refused");
    this.sockets.set(socket, query.get("userArn") ?? "");
    socket.on("close", () => this.sockets.delete(socket));
    socket.send(frame("SESSION_ESTABLISHED", "SYSTEM"));
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "", this.origin);
    try {
      if (url.pathname === "/chat") return void response.writeHead(308, { location: "/chat/" }).end();
      if (url.pathname.startsWith("/chat/")) return await this.page(url.pathname.slice("/chat/".length), response);
      const text = await readAll(request);
      const body = (text === "" ? {} : JSON.parse(text)) as Record<string, string>;
      const [status, reply] = this.reply(request, url, body);
      response.writeHead(status, { "content-type": "application/json" });
      response.end(reply === undefined ? undefined : JSON.stringify(reply));
    } catch (error) {
      const refusal = error instanceof Refusal ? error : new Refusal(500, "ServiceFailureException", String(error));
      response.writeHead(refusal.status, { "content-type": "application/json", "x-amzn-errortype": refusal.type });
      response.end(JSON.stringify({ Message: refusal.message }));
    }
  }

  private reply(request: IncomingMessage, url: URL, body: Record<string, string>): [number, object?] {
    if (url.pathname.startsWith("/_carillon/")) return this.devReply(url.pathname, body);
    const path = url.pathname.slice(1).split("/").map(decodeURIComponent);
    const operation = operationOf(request.method ?? "", path, url.searchParams);
    this.calls.push(operation);
    if (!request.headers.authorization?.includes("/chime/aws4_request")) {
      throw new Refusal(403, "MissingAuthenticationTokenException", "unsigned");
    }
    const refusal = this.refusals.get(operation);
    if (refusal !== undefined) throw refusal;
    if (operation === "GetMessagingSessionEndpoint") return [200, { Endpoint: { Url: `localhost:${this.port}` } }];
    const bearer = String(request.headers["x-amz-chime-bearer"] ?? "");
    const { world, emit, pageSize } = this;
    return answer({ operation, world, bearer, path, query: url.searchParams, body, emit, pageSize });
  }

  private devReply(path: string, body: Record<string, string>): [number, object] {
    if (!this.devMode) throw new Refusal(404, "", "not in dev mode");
    if (path === "/_carillon/chat") {
      const Users = [...this.world.users].map(([Arn, Name]) => ({ UserId: Arn.split("/").at(-1), Name, Arn }));
      return [200, { Region: "us-east-1", AppInstanceArn: appInstanceArn, Users }];
    }
    this.calls.push("credentials");
    const userArn = this.world.userArn(body.UserId ?? "");
    const name = this.world.users.get(userArn);
    if (name === undefined) throw new Refusal(404, "", `there is no user ${body.UserId}`);
    const ChimeCredentials = {
      AccessKeyId: "STUBKEY0000000000000",
      SecretAccessKey: "stub-secret",
      SessionToken: "stub+token/==",
      Expiration: new Date(Date.now() + this.credentialLifeMs).toISOString(),
    };
    return [200, { ChimeAppInstanceUserArn: userArn, ChimeUserId: body.UserId, ChimeDisplayName: name, ChimeCredentials }];
  }

  private async page(path: string, response: ServerResponse): Promise<void> {
    const file = path === "" ? "index.html" : path;
    const bytes = await readFile(join(dist, file)).catch(() => undefined);
    if (bytes === undefined) return void response.writeHead(404).end();
    response.writeHead(200, { "content-type": contentTypes[extname(file)] ?? "application/octet-stream" });
    response.end(bytes);
  }
}

function frame(type: string, messageType: string, payload?: object): string {
  const Headers = { "x-amz-chime-event-type": type, "x-amz-chime-message-type": messageType };
  return JSON.stringify({ Headers, ...(payload && { Payload: JSON.stringify(payload) }) });
}

async function readAll(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request.setEncoding("utf8")) text += String(chunk);
  return text;
}
