import type { ServerInfo } from "../model/types";

// The two answers that only a server in dev mode gives: who may sign in here,
// and credentials for one of them. Their shape is the one public Chime
// applications use for a credential exchange.

export class NotDevModeError extends Error {
  override name = "NotDevModeError";
}

interface CredentialReply {
  ChimeAppInstanceUserArn: string;
  ChimeUserId: string;
  ChimeDisplayName: string;
  ChimeCredentials: {
    AccessKeyId: string;
    SecretAccessKey: string;
    SessionToken: string;
    Expiration: string;
  };
}

interface InfoReply {
  Region: string;
  AppInstanceArn: string;
  Users: { UserId: string; Name: string; Arn: string }[] | null;
  WebPush?: { ResourceArn: string; ApplicationServerKey: string };
}

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string;
  expiration: Date;
}

export interface SignIn {
  userArn: string;
  userId: string;
  name: string;
  credentials: Credentials;
}

export async function fetchServerInfo(): Promise<ServerInfo> {
  const response = await fetch("/_carillon/chat", { headers: { accept: "application/json" } });
  if (response.status === 404) throw new NotDevModeError(await messageOf(response));
  if (!response.ok) throw new Error(await messageOf(response));
  const reply = (await response.json()) as InfoReply;
  return {
    region: reply.Region,
    appInstanceArn: reply.AppInstanceArn,
    webPush: reply.WebPush && {
      resourceArn: reply.WebPush.ResourceArn,
      applicationServerKey: reply.WebPush.ApplicationServerKey,
    },
    users: (reply.Users ?? []).map((u) => ({ id: u.UserId, name: u.Name || u.UserId, arn: u.Arn })),
  };
}

export async function exchangeCredentials(userId: string): Promise<SignIn> {
  const response = await fetch("/_carillon/credentials", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify({ UserId: userId }),
  });
  if (!response.ok) throw new Error(await messageOf(response));
  const reply = (await response.json()) as CredentialReply;
  const keys = reply.ChimeCredentials;
  return {
    userArn: reply.ChimeAppInstanceUserArn,
    userId: reply.ChimeUserId,
    name: reply.ChimeDisplayName,
    credentials: {
      accessKeyId: keys.AccessKeyId,
      secretAccessKey: keys.SecretAccessKey,
      sessionToken: keys.SessionToken,
      expiration: new Date(keys.Expiration),
    },
  };
}

async function messageOf(response: Response): Promise<string> {
  const fallback = `the server answered ${response.status}`;
  try {
    const body = (await response.json()) as { Message?: string };
    return body.Message || fallback;
  } catch {
    return fallback;
  }
}
