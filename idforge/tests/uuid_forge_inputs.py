"""Random inputs with the ids that the real uuid-forge makes of them.

Usage: uuid_forge_inputs.py NONPRINTABLE_JSON SEED IDS EXTRACTIONS

Writes one JSON object a line: first IDS requests as `idforge batch` reads them, with the id as "expect"; then EXTRACTIONS texts as
"input" and "separator", with "expect" or "error"; then every printable character, many to a "text", with that text's "lower" and
"upper". Code points on which this Python's table of printable characters differs from the
pinned one are left out.
"""

import datetime as dt
import decimal
import enum
import fractions
import json
import random
import struct
import sys
import uuid

from uuid_forge import (
    IDConfig,
    Namespace,
    extract_uuid_from_prefixed,
    generate_uuid_only,
    generate_uuid_with_prefix,
)

SURROGATES = range(0xD800, 0xE000)
LAST = 0x10FFFF
AWKWARD = "'\"\\|=[](){}<>,: \t\n\r\0\x7f\x85\xa0\xad\u2028\ufeff"
WORDS = ["order", "user_id", "salt:S", "|salt:S", "None", "1", "a=1|b", "nan", "", "é", "日本", "e\u0301", "🐱", "\U000e0001"]


class Mood(enum.Enum):
    CALM = 1
    WILD = "it's"


class Level(enum.IntEnum):
    LOW = 1


class Kind(enum.StrEnum):
    CAT = "cat"


class Inputs:
    def __init__(self, table, seed):
        self.random = random.Random(seed)
        self.differing = differing(table)

    def character(self):
        r = self.random
        kind = r.random()
        if kind < 0.5:
            return chr(r.randrange(0x20, 0x7F))
        if kind < 0.7:
            return r.choice(AWKWARD)
        while True:
            code = r.randrange(r.choice((0x100, 0x3000, LAST + 1)))
            if code not in SURROGATES and code not in self.differing:
                return chr(code)

    def text(self):
        r = self.random
        if r.random() < 0.3:
            return r.choice(WORDS)
        return "".join(self.character() for _ in range(r.choice((0, 1, 2, 5, 12, 30 if r.random() < 0.2 else 3))))

    def float(self):
        r = self.random
        kind = r.randrange(5)
        if kind == 0:
            return struct.unpack("<d", r.randbytes(8))[0]
        if kind == 1:
            return round(r.uniform(-1e6, 1e6), r.randrange(6))
        if kind == 2:
            return r.choice((0.0, -0.0, 1.0, 1e16, 1e15, 1e-4, 1e-5, 5e-324, 1.7976931348623157e308, -1188699057872184.25))
        if kind == 3:
            return r.choice((float("nan"), float("inf"), float("-inf")))
        return r.uniform(-1, 1) * 10.0 ** r.randrange(-20, 25)

    def int(self):
        r = self.random
        return r.choice((-1, 1)) * r.getrandbits(r.choice((1, 8, 31, 63, 64, 65, 127, 128, 4000 if r.random() < 0.05 else 200)))

    def offset(self):
        r = self.random
        if r.random() < 0.4:
            return r.choice((None, dt.timezone.utc))
        return dt.timezone(dt.timedelta(seconds=r.randrange(-86399, 86400), microseconds=r.choice((0, 0, 1))))

    def time(self):
        r = self.random
        second, microsecond = r.choice(((0, 0), (r.randrange(60), 0), (r.randrange(60), r.randrange(1000000))))
        return dt.time(r.randrange(24), r.randrange(60), second, microsecond, tzinfo=self.offset(), fold=r.choice((0, 0, 1)))

    def date(self):
        return dt.date.fromordinal(self.random.randrange(1, dt.date.max.toordinal() + 1))

    def decimal(self):
        r = self.random
        if r.random() < 0.1:
            return decimal.Decimal(r.choice(("NaN", "-NaN", "sNaN12", "Infinity", "-Infinity", "-0", "0E-7", "0E+3")))
        digits = tuple(r.randrange(10) for _ in range(r.randrange(1, 25)))
        return decimal.Decimal((r.randrange(2), digits, r.randrange(-30, 30)))

    def leaf(self):
        r = self.random
        return r.choice((
            self.text, self.text, self.text, self.int, self.int, self.float, self.float,
            lambda: r.choice((True, False, None)),
            lambda: r.randbytes(r.randrange(8)),
            lambda: bytearray(r.randbytes(r.randrange(4))),
            lambda: uuid.UUID(bytes=r.randbytes(16)),
            self.date, self.time, self.decimal,
            lambda: dt.datetime.combine(self.date(), self.time()),
            lambda: dt.timedelta(r.randrange(-10**6, 10**6), r.randrange(86400), r.choice((0, r.randrange(10**6)))),
            lambda: fractions.Fraction(r.randrange(-99, 99), r.randrange(1, 99)),
            lambda: complex(self.float(), self.float()),
            lambda: r.choice((Mood.CALM, Mood.WILD, Level.LOW, Kind.CAT)),
        ))()

    def hashable(self):
        r = self.random
        if r.random() < 0.2:
            return tuple(self.hashable() for _ in range(r.randrange(3)))
        return r.choice((self.text, self.int, self.float, lambda: r.choice((True, False, None))))()

    def value(self, depth=0):
        r = self.random
        if depth > 3 or r.random() < 0.6:
            return self.leaf()
        kind = r.randrange(6)
        items = [self.value(depth + 1) for _ in range(r.randrange(4))]
        if kind == 0:
            return tuple(items)
        if kind == 1:
            return {self.text(): item for item in items}
        if kind == 2:
            return {self.hashable(): item for item in items}
        if kind == 3:
            return r.choice((set, frozenset))([self.hashable()] if r.random() < 0.7 else [])
        return items

    def key(self):
        key = self.random.choice(("id", "user_id", "type", "é", "\uffff", "𐀀", "a=1|b", "self")) if self.random.random() < 0.6 else self.text()
        return "_" + key if key in ("entity_type", "config", "prefix", "separator") else key

    def request(self):
        r = self.random
        domain = r.random() < 0.7
        namespace = r.choice(("a.b", "users.mycompany.com", self.text())) if domain else str(uuid.UUID(bytes=r.randbytes(16)))
        request = {
            "namespace": {"kind": "domain" if domain else "uuid", "value": namespace},
            "salt": r.choice(("", "v1", "S", "x" * 43, self.text())),
            "entity_type": r.choice(("order", "order_saga", self.text())),
        }
        args = [self.value() for _ in range(r.choice((0, 0, 1, 2, 3)))]
        kwargs = {self.key(): self.value() for _ in range(r.choice((0, 1, 2, 3, 9)))}
        config = IDConfig(namespace=Namespace(namespace) if domain else uuid.UUID(namespace), salt=request["salt"])
        if r.random() < 0.1:
            prefix, separator = r.choice(("INV", "A:", "")), r.choice(("-", "::", "_", ""))
            request |= {"prefix": prefix, "separator": separator}
            expect = generate_uuid_with_prefix(request["entity_type"], *args, prefix=prefix, separator=separator, config=config, **kwargs)
        else:
            expect = str(generate_uuid_only(request["entity_type"], *args, config=config, **kwargs))
        return request | {
            "args": [tagged(arg) for arg in args],
            "kwargs": {key: tagged(value) for key, value in kwargs.items()},
            "expect": expect,
        }

    def extraction(self):
        r = self.random
        id = r.choice((str(uuid.UUID(bytes=r.randbytes(16))), uuid.UUID(bytes=r.randbytes(16)).hex))
        pieces = ["urn:", "uuid:", "{", "}", "-", "--", "+", "0x", "0X", "_", "1_2", " ", "\t", "\x1c", "\xa0", "\u3000", "\u0661", "\uff11", "g", "CAFE-", "A:", "::"]
        for _ in range(r.randrange(5)):
            at = r.choice((0, 0, 0, r.randrange(len(id) + 1), len(id)))
            id = id[:at] + r.choice(pieces) + id[at + r.choice((0, 0, 1, 2, 3)):]
        if r.random() < 0.2:
            at = r.randrange(len(id) + 1)
            id = id[:at] + "".join(r.choice("0123456789abcdefABCDEF_ +-x\u0669\u2007") for _ in range(r.randrange(12))) + id[at:]
        if r.random() < 0.3:
            id = ("0x" if r.random() < 0.5 else "") + "".join(r.choice("0123456789abcdef_ ") if r.random() < 0.3 else r.choice("0123456789abcdef") for _ in range(r.choice((30, 32))))
        case = {"input": id, "separator": r.choice(("-", "-", "_", "::", "a", ":", ""))}
        try:
            return case | {"expect": str(extract_uuid_from_prefixed(**{"prefixed_id": id, "separator": case["separator"]}))}
        except ValueError as error:
            return case | {"error": str(error)}


    def cases(self):
        """Every character that both tables print, apart from each other, so that none changes how another is written."""
        characters = [chr(code) for code in range(LAST + 1) if code not in self.differing and chr(code).isprintable()]
        for start in range(0, len(characters), 500):
            text = "-".join(characters[start:start + 500])
            yield {"text": text, "lower": text.strip().lower(), "upper": text.strip().upper()}


def differing(table):
    """The code points that this Python prints and the pinned table does not, or the other way round."""
    pinned = set()
    for first, last in table["base_nonprintable"]:
        pinned.update(range(first, last + 1))
    return {code for code in range(LAST + 1) if chr(code).isprintable() == (code in pinned)}


def offset(tz):
    if tz is None or tz is dt.timezone.utc:
        return "utc" if tz else None
    delta = tz.utcoffset(None)
    return [delta.days, delta.seconds, delta.microseconds]


def tagged(value):
    """The value as JSON, with a tag where JSON lacks its type."""
    clock = lambda t: [t.hour, t.minute, t.second, t.microsecond]
    tag = lambda type_name, content, **more: {"$py": type_name, "value": content, **more}
    if isinstance(value, enum.Enum):
        kind = "IntEnum" if isinstance(value, enum.IntEnum) else "StrEnum" if isinstance(value, enum.StrEnum) else "Enum"
        return tag("enum", tagged(value.value), kind=kind, **{"class": type(value).__name__}, name=value.name)
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return tag("int", str(value)) if random.random() < 0.5 else value
    if isinstance(value, float):
        return value if value - value == 0 else tag("float", str(value))
    if isinstance(value, (list, tuple, set, frozenset)):
        items = [tagged(item) for item in value]
        return items if isinstance(value, list) else tag(type(value).__name__, items)
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value) and "$py" not in value:
            return {key: tagged(item) for key, item in value.items()}
        return tag("dict", [[tagged(key), tagged(item)] for key, item in value.items()])
    if isinstance(value, (bytes, bytearray)):
        return tag(type(value).__name__, value.hex())
    if isinstance(value, dt.datetime):
        date = [value.year, value.month, value.day]
        return tag("datetime", date + clock(value), tz=offset(value.tzinfo), fold=value.fold)
    if isinstance(value, dt.date):
        return tag("date", [value.year, value.month, value.day])
    if isinstance(value, dt.time):
        return tag("time", clock(value), tz=offset(value.tzinfo), fold=value.fold)
    if isinstance(value, dt.timedelta):
        return tag("timedelta", [value.days, value.seconds, value.microseconds])
    if isinstance(value, fractions.Fraction):
        return tag("Fraction", [value.numerator, value.denominator])
    if isinstance(value, complex):
        return tag("complex", [tagged(value.real), tagged(value.imag)])
    return tag({"UUID": "UUID", "Decimal": "Decimal"}[type(value).__name__], str(value))


def main():
    path, seed, ids, extractions = sys.argv[1], *map(int, sys.argv[2:])
    with open(path, encoding="utf-8") as file:
        inputs = Inputs(json.load(file), seed)
    random.seed(seed)
    for _ in range(ids):
        print(json.dumps(inputs.request()))
    for _ in range(extractions):
        print(json.dumps(inputs.extraction()))
    for case in inputs.cases():
        print(json.dumps(case))


main()
