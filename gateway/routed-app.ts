import type { HttpRequest, HttpResponse, us_listen_socket, WebSocketBehavior } from 'uWebSockets.js';

type RouteHandler = (response: HttpResponse, request: HttpRequest) => void;

/** The methods of an app of uWebSockets.js that a listener and its front door call: a plain app, or one with TLS. */
export interface RoutedApp {
  get(pattern: string, handler: RouteHandler): unknown;
  head(pattern: string, handler: RouteHandler): unknown;
  post(pattern: string, handler: RouteHandler): unknown;
  options(pattern: string, handler: RouteHandler): unknown;
  any(pattern: string, handler: RouteHandler): unknown;
  ws<UserData>(pattern: string, behavior: WebSocketBehavior<UserData>): unknown;
  /** @param onChange called with 1 when a socket was accepted, and with -1 when it has closed */
  filter(onChange: (response: HttpResponse, change: number) => void): unknown;
  listen(
    host: string,
    port: number,
    options: number,
    callback: (socket: us_listen_socket | false) => void,
  ): unknown;
}
