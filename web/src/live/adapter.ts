import DefaultWebSocketAdapter from "amazon-chime-sdk-js/build/websocketadapter/DefaultWebSocketAdapter";

/**
 * The SDK always asks for wss. On a page that came over http the same server
 * answers ws on the same port, with no certificate to trust; the signature
 * covers host and query but not the scheme.
 */
export class PlainWebSocketAdapter extends DefaultWebSocketAdapter {
  override create(url: string, protocols: string[], isSignedUrl?: boolean): void {
    super.create(url.replace(/^wss:/, "ws:"), protocols, isSignedUrl);
  }
}
