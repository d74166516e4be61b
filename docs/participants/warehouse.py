"""inventory-service's part in the order saga, in Python: reserves, releases and commits supplies.

usage: AMQP_URL=... UUID_FORGE_SALT=... python warehouse.py FILE SKU=UNITS...
"""
import json, os, sqlite3, sys
from datetime import datetime, timezone
import pika
from uuid_forge import IDConfig, Namespace, UUIDGenerator

REQUESTS = {  # what it asks for: the step, do or undo, and the event that answers
    "PET_RESERVED": ("reserve_inventory", "do", "INVENTORY_RESERVED"),
    "RELEASE_INVENTORY": ("reserve_inventory", "undo", "INVENTORY_RELEASED"),
    "ORDER_APPROVED": ("commit_inventory", "do", "INVENTORY_COMMITTED"),
}
SETTLED = {("do", "done"), ("do", "refused"), ("undo", "undone")}
PRICE = {"amount": 100, "currency": "EUR"}
forge = UUIDGenerator(IDConfig(namespace=Namespace("messages.petstore.example"), salt=os.environ["UUID_FORGE_SALT"]))
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("CREATE TABLE IF NOT EXISTS stock (sku TEXT PRIMARY KEY, units INT CHECK (units >= 0))")
db.execute("CREATE TABLE IF NOT EXISTS effects (saga, step, epoch, state, items, answer, PRIMARY KEY (saga, step))")
db.executemany("INSERT OR IGNORE INTO stock VALUES (?, ?)", [argument.split("=") for argument in sys.argv[2:]])

def answer_to(request):  # in a transaction: the effect, once, and the bytes of the answer, the same ever after
    step, direction, kind = REQUESTS[request["type"]]
    epoch = request.get("epoch", 0) if request.get("step") == step else 0
    remembered = db.execute("SELECT epoch, state, items, answer FROM effects WHERE saga = ? AND step = ?", (request["sagaid"], step))
    last, state, items, answer = remembered.fetchone() or (-1, "", "[]", None)
    if (direction, state) in SETTLED and (state == "done" or epoch <= last):
        return answer
    wanted, result = request["data"].get("items", []), {"do": "done", "undo": "undone"}[direction]
    data = {"order": request["data"]["order"], "items": wanted}
    if epoch < last or (direction == "do" and epoch == last):  # the undo came first: its tombstone refuses the late request
        result = None
    elif kind == "INVENTORY_RESERVED":
        units = dict(db.execute("SELECT sku, units FROM stock"))
        if short := [line["sku"] for line in wanted if units.get(line["sku"], 0) < line["quantity"]]:
            kind, result, data = "INVENTORY_REFUSED", "refused", {"order": data["order"], "reason": "out_of_stock", "sku": short[0]}
        else:
            db.executemany("UPDATE stock SET units = units - :quantity WHERE sku = :sku", wanted)
            data["items"] = [line | {"price": PRICE} for line in wanted]
            data["total"] = PRICE | {"amount": sum(PRICE["amount"] * line["quantity"] for line in wanted)}
    elif kind == "INVENTORY_RELEASED":
        data["items"] = json.loads(items) if state == "done" else []
        db.executemany("UPDATE stock SET units = units + :quantity WHERE sku = :sku", data["items"])
    if result is None and direction == "do":
        kind, data = "INVENTORY_REFUSED", {"order": data["order"], "reason": "cancelled"}
    answer = json.dumps({name: request[name] for name in ("sagaid", "correlationid", "traceparent") if name in request} | {
        "specversion": "1.0", "id": str(forge.generate("event", cause_id=request["id"], type=kind)), "type": kind,
        "source": "inventory-service", "subject": data["order"], "time": datetime.now(timezone.utc).isoformat(),
        "schemaversion": 1, "step": step, "epoch": epoch, "causationid": request["id"], "data": data})
    if result:
        db.execute("REPLACE INTO effects VALUES (?, ?, ?, ?, ?, ?)", (request["sagaid"], step, epoch, result, json.dumps(wanted), answer))
    return answer

def on_message(channel, delivery, properties, body):  # commit, publish, confirm, ack: a crash in between only repeats the answer
    asked = json.loads(body)
    for request in asked if isinstance(asked, list) else [asked]:  # several may share an AMQP message
        if request["type"] == "RELEASE_INVENTORY" or (request["type"] in REQUESTS and request["data"].get("items")):
            db.execute("BEGIN IMMEDIATE")
            answer = answer_to(request)
            db.execute("COMMIT")
            key = json.loads(answer)["type"].lower().replace("_", ".", 1)
            channel.basic_publish("inventory.events", key, answer, pika.BasicProperties(delivery_mode=2), mandatory=True)
    channel.basic_ack(delivery.delivery_tag)

channel = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])).channel()
channel.confirm_delivery()
channel.basic_qos(prefetch_count=1)
for queue in ("inventory.pet-events", "inventory.commands", "inventory.order-events"):
    channel.basic_consume(queue, on_message)
channel.start_consuming()
