/** Sockets of the operator's listener: those that are open, and those that were closed at once since the start. */
export interface AdminSockets {
  open: number;
  refused: number;
}
