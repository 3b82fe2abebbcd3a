import type { HttpRequest, HttpResponse, us_listen_socket, WebSocketBehavior } from 'uWebSockets.js';

export type RouteHandler = (response: HttpResponse, request: HttpRequest) => void;
/** @param change 1 when a socket was accepted, -1 when it has closed */
export type SocketFilter = (response: HttpResponse, change: number) => void;
/** @param socket false where the port is not available */
export type ListenCallback = (socket: us_listen_socket | false) => void;

/** The methods of an app of uWebSockets.js that a listener and its front door call: a plain app, or one with TLS. */
export interface RoutedApp {
  get(pattern: string, handler: RouteHandler): unknown;
  head(pattern: string, handler: RouteHandler): unknown;
  post(pattern: string, handler: RouteHandler): unknown;
  options(pattern: string, handler: RouteHandler): unknown;
  any(pattern: string, handler: RouteHandler): unknown;
  ws<UserData>(pattern: string, behavior: WebSocketBehavior<UserData>): unknown;
  filter(onChange: SocketFilter): unknown;
  listen(host: string, port: number, options: number, callback: ListenCallback): unknown;
}
