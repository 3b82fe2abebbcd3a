import {
  type Delivery,
  type DeliveryOptions,
  type Message,
  qosIn,
  Router,
  type RouterOptions,
  Subscriber,
} from '../../router/index.js';

/** A subscriber that notes what it gets, as `text` or, at QoS 1 and 2, as `text@qos`. */
export class Inbox extends Subscriber {
  readonly texts: string[] = [];
  answer: Delivery = 'sent';
  onDeliver: ((message: Message) => void) | undefined;

  override deliver(message: Message, options: DeliveryOptions): Delivery {
    const [text, qos] = [textOf(message), qosIn(options)];
    this.texts.push(qos === 0 ? text : `${text}@${qos}`);
    this.onDeliver?.(message);
    return this.answer;
  }
}

export function textOf({ payload }: Message): string {
  return Buffer.from(payload).toString();
}

export async function startedRouter(options?: RouterOptions): Promise<Router> {
  const router = new Router(options);
  await router.start();
  return router;
}
