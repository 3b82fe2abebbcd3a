"""One MQTT client of Eclipse Paho over WebSocket, told on stdin what to do; says on stdout what happens. JSON lines."""

import base64
import json
import sys
import threading
import warnings

import paho.mqtt.client as mqtt

lock = threading.Lock()


def say(event, **facts):
    with lock:
        print(json.dumps({"event": event, **facts}), flush=True)


options = json.loads(sys.argv[1])
# Paho 2 wants to be told that the callbacks are those of Paho 1, and warns of them all the same.
warnings.filterwarnings("ignore", category=DeprecationWarning)
version = {"callback_api_version": mqtt.CallbackAPIVersion.VERSION1} if hasattr(mqtt, "CallbackAPIVersion") else {}
client = mqtt.Client(
    **version,
    client_id=options["clientId"],
    clean_session=options["clean"],
    protocol=mqtt.MQTTv31 if options.get("old") else mqtt.MQTTv311,
    transport="websockets",
)
client.ws_set_options(path="/mqtt")
client.reconnect_delay_set(1, 1)
if "password" in options:
    client.username_pw_set(options.get("userName", "paho"), options["password"])
if "will" in options:
    will = options["will"]
    client.will_set(will["topic"], will["text"], will["qos"], will["retain"])

client.on_connect = lambda _c, _u, flags, code: say("connected", code=code, sessionPresent=flags["session present"] == 1)
client.on_disconnect = lambda _c, _u, code: say("disconnected", code=code)
client.on_subscribe = lambda _c, _u, mid, granted: say("subscribed", granted=list(granted))
client.on_unsubscribe = lambda _c, _u, mid: say("unsubscribed")
client.on_publish = lambda _c, _u, mid: say("published")
client.on_message = lambda _c, _u, message: say(
    "message",
    topic=message.topic,
    payload=base64.b64encode(message.payload).decode(),
    qos=message.qos,
    retain=message.retain == 1,
)

client.connect("127.0.0.1", options["port"], keepalive=options.get("keepAliveSec", 60))
client.loop_start()

for line in sys.stdin:
    command = json.loads(line)
    what = command["do"]
    if what == "subscribe":
        client.subscribe([(filter, qos) for filter, qos in command["filters"]])
    elif what == "unsubscribe":
        client.unsubscribe(command["filter"])
    elif what == "publish":
        payload = base64.b64decode(command["payload"])
        client.publish(command["topic"], payload, command["qos"], command["retain"])
    elif what == "disconnect":
        client.disconnect()
